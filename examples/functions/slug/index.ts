/** `GET ?title=Héllo, World`: what stands for it in an address. Computes only, so it runs inside the server. */
export const config = { runtime: "quickjs", capabilities: { profile: "strict" } };

export default (req: Request): Response => {
  const title = new URL(req.url).searchParams.get("title") ?? "";
  const slug = title
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return Response.json({ slug });
};
