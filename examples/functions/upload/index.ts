/** `POST` of a form with the field `file` keeps it; `GET /<key>` answers with it. */
import { bunbase } from "bunbase-js/function";

const TYPES = new Map([
  ["image/png", "png"],
  ["image/jpeg", "jpg"],
  ["text/plain", "txt"],
]);

export default async (req: Request): Promise<Response> => {
  if (req.method !== "POST") return download(new URL(req.url).pathname.slice(1));
  const file = (await req.formData()).get("file");
  if (!(file instanceof File)) {
    return Response.json({ error: "the field `file` is missing" }, { status: 400 });
  }
  const type = file.type.split(";")[0] ?? "";
  const extension = TYPES.get(type);
  if (extension === undefined) {
    return Response.json({ error: `${type} is not taken` }, { status: 415 });
  }
  // Named by what is in it: the same file twice is one object, and no name comes from outside.
  const bytes = await file.arrayBuffer();
  const key = `${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}.${extension}`;
  const { size } = await bunbase.storage.put(`uploads/${key}`, new Uint8Array(bytes), {
    contentType: type,
  });
  return Response.json({ key, size }, { status: 201 });
};

async function download(key: string): Promise<Response> {
  const object = await bunbase.storage.head(`uploads/${key}`);
  if (object === null) return Response.json({ error: "there is no such file" }, { status: 404 });
  const { body } = await bunbase.storage.get(`uploads/${key}`);
  return new Response(body, { headers: { "content-type": object.content_type } });
}
