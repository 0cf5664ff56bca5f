import { action, guards, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const createNote = action(
  {
    name: "create",
    description: "Writes a note",
    input: t.Object({
      title: t.String({ minLength: 1, maxLength: 200 }),
      body: t.String({ maxLength: 10_000, default: "" }),
    }),
    output: t.Object({ id: t.String() }),
    guards: [guards.rateLimit({ limit: 60, windowMs: 60_000 })],
    triggers: [
      triggers.api("POST", "/"),
      triggers.tool({ name: "create_note", description: "Write a note for the organisation" }),
    ],
  },
  async ({ title, body }, ctx) => {
    const id = Bun.randomUUIDv7();
    const org_id = orgOf(ctx).id;
    await ctx.db
      .from("notes")
      .insert({ id, org_id, author_id: ctx.auth.userId, title, body, created_at: Date.now() });
    await ctx.event.emit("note.created", { id, orgId: org_id });
    return ctx.withMeta({ id }, { http: { status: 201 } });
  },
);
