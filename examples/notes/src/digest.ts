import { action, t, triggers } from "bunbase";

const DAY_MS = 24 * 60 * 60 * 1000;

export default action(
  {
    name: "digest",
    description: "Logs how many notes each organisation wrote in a day",
    input: t.Object({}),
    output: t.Record(t.String(), t.Integer()),
    triggers: [triggers.cron("0 8 * * *", { timezone: "Europe/Berlin", overlap: "skip" })],
  },
  async (_input, ctx) => {
    const notes = await ctx.db
      .from("notes")
      .select("org_id")
      .gte("created_at", Date.now() - DAY_MS)
      .exec();
    const counts: Record<string, number> = {};
    for (const { org_id } of notes) counts[org_id] = (counts[org_id] ?? 0) + 1;
    ctx.logger.info("digest", counts);
    return counts;
  },
);
