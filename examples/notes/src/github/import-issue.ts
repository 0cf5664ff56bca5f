import { action, t, triggers } from "bunbase";

export default action(
  {
    name: "import-issue",
    description: "Writes an issue down as a note of the organisation that linked its repository",
    input: t.Object({
      repository: t.String(),
      title: t.String(),
      body: t.String(),
      source: t.String(),
    }),
    output: t.Object({ id: t.Union([t.String(), t.Null()]) }),
    triggers: [
      triggers.queue("import-issue", {
        concurrency: 2,
        retries: { maxAttempts: 5, backoffMs: 1000 },
      }),
    ],
  },
  async ({ repository, title, body, source }, ctx) => {
    const linked = await ctx.db.from("repositories").eq("full_name", repository).maybeSingle();
    if (linked === null) return { id: null };
    const note = { id: Bun.randomUUIDv7(), org_id: linked.org_id, title, body, source };
    // A job may run again after a crash: the second time it finds the note.
    const added = await ctx.db
      .from("notes")
      .upsert({ ...note, created_at: Date.now() }, { onConflict: "source", update: [] });
    if (added === null) return { id: null };
    await ctx.event.emit("note.created", { id: note.id, orgId: linked.org_id });
    return { id: note.id };
  },
);
