export default async (request: Request): Promise<Response> => {
  const { name } = (await request.json()) as { name: string };
  console.log("greeting", { name });
  return Response.json({ message: `Hello, ${name}!` });
};
