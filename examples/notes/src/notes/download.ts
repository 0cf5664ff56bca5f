import { action, http, NotFound, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const download = action(
  {
    name: "download",
    input: t.Object({ id: http.Path(t.String()), name: http.Path(t.String()) }),
    output: t.Unknown(),
    triggers: [triggers.api("GET", "/:id/files/:name")],
  },
  async ({ id, name }, ctx) => {
    const file = await ctx.storage.download(`${orgOf(ctx).id}/${id}/${name}`);
    if (file === null) throw new NotFound("there is no such file");
    // Never shown by the browser itself: somebody else has written it.
    return new Response(file as Uint8Array<ArrayBuffer>, {
      headers: {
        "content-type": "application/octet-stream",
        "content-disposition": "attachment",
        "x-content-type-options": "nosniff",
      },
    });
  },
);
