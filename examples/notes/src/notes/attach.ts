import { action, http, NotFound, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

const BYTES_MAX = 5 * 1024 * 1024;

export const attach = action(
  {
    name: "attach",
    description: "Keeps a file with a note: a form with a part named `file`",
    input: t.Object({
      id: http.Path(t.String()),
      file: t.Object({
        filename: t.String({ pattern: "^[\\w.-]{1,100}$" }),
        contentType: t.String(),
        size: t.Integer({ maximum: BYTES_MAX }),
        data: t.Uint8Array(),
      }),
    }),
    output: t.Object({ name: t.String(), size: t.Integer() }),
    triggers: [triggers.api("POST", "/:id/files")],
  },
  async ({ id, file }, ctx) => {
    const orgId = orgOf(ctx).id;
    const note = await ctx.db.from("notes").eq("id", id).eq("org_id", orgId).maybeSingle();
    if (note === null) throw new NotFound("there is no such note");
    await ctx.storage.upload(`${orgId}/${id}/${file.filename}`, file.data, {
      contentType: file.contentType,
    });
    return { name: file.filename, size: file.size };
  },
);
