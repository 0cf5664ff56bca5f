import { action, http, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const listNotes = action(
  {
    name: "list",
    description: "The newest notes of the organisation",
    input: t.Object({
      search: t.Optional(http.Query(t.String({ maxLength: 100 }))),
      limit: http.Query(t.Integer({ minimum: 1, maximum: 100, default: 20 })),
    }),
    output: t.Array(t.Object({ id: t.String(), title: t.String(), body: t.String() })),
    triggers: [
      triggers.api("GET", "/"),
      triggers.tool({
        name: "list_notes",
        description: "The newest notes of the organisation",
        annotations: { readOnlyHint: true },
      }),
    ],
  },
  async ({ search, limit }, ctx) => {
    const notes = ctx.db.from("notes").select("id", "title", "body").eq("org_id", orgOf(ctx).id);
    if (search !== undefined) notes.ilike("title", `%${search}%`);
    return notes.orderBy("created_at", "DESC").limit(limit).exec();
  },
);
