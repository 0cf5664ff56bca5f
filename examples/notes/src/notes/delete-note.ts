import { action, guards, http, NotFound, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const deleteNote = action(
  {
    name: "delete",
    input: t.Object({ id: http.Path(t.String()) }),
    output: t.Object({}),
    guards: [guards.hasPermission("notes:delete")],
    triggers: [triggers.api("DELETE", "/:id")],
  },
  async ({ id }, ctx) => {
    const notes = ctx.db.from("notes").delete().eq("id", id).eq("org_id", orgOf(ctx).id);
    if ((await notes.count()) === 0) throw new NotFound("there is no such note");
    return ctx.withMeta({}, { http: { status: 204 } });
  },
);
