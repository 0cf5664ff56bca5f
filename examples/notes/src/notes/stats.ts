import { action, t, triggers } from "bunbase";

export const stats = action(
  {
    name: "stats",
    input: t.Object({}),
    output: t.Object({ written: t.Integer() }),
    triggers: [triggers.api("GET", "/stats")],
  },
  async (_input, ctx) => ({ written: (await ctx.kv.get<number>(`written/${ctx.org?.id}`)) ?? 0 }),
);
