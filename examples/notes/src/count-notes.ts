import { action, t, triggers } from "bunbase";

export default action(
  {
    name: "count-notes",
    description: "Counts what is written, beside the call that wrote it",
    input: t.Object({ id: t.String(), orgId: t.String() }),
    output: t.Object({ written: t.Integer() }),
    triggers: [triggers.event("note.created")],
  },
  async ({ orgId }, ctx) => ({ written: await ctx.kv.increment(`written/${orgId}`) }),
);
