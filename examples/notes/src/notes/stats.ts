import { action, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const stats = action(
  {
    name: "stats",
    input: t.Object({}),
    output: t.Object({ written: t.Integer() }),
    triggers: [triggers.api("GET", "/stats")],
  },
  async (_input, ctx) => ({ written: (await ctx.kv.get<number>(`written/${orgOf(ctx).id}`)) ?? 0 }),
);
