/** `POST {"name": "Ada", "times": 2}`: a greeting; or 400, with a reason for each field that is wrong. */
export default async (req: Request): Promise<Response> => {
  if (req.method !== "POST") {
    return Response.json({ error: "use POST" }, { status: 405, headers: { allow: "POST" } });
  }
  const body: unknown = await req.json().catch(() => undefined);
  const { name, times = 1 } = (body ?? {}) as { name?: unknown; times?: unknown };
  const errors: Record<string, string> = {};
  if (typeof name !== "string" || name === "") errors.name = "has to be text";
  if (typeof times !== "number" || !(times >= 1 && times <= 10)) {
    errors.times = "has to be a number from 1 to 10";
  }
  if (Object.keys(errors).length > 0) return Response.json({ errors }, { status: 400 });
  return Response.json({ greetings: Array(Math.floor(times as number)).fill(`Hello, ${name}!`) });
};
