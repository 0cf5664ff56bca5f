/** Every night one more; `GET` says how many nights there were. */
import { bunbase } from "bunbase-js/function";

export const config = {
  triggers: [
    { kind: "cron", schedule: "0 3 * * *", timezone: "Europe/Berlin" },
    { kind: "http", method: "GET" },
  ],
};

export default async (req: Request): Promise<Response> => {
  if (req.headers.get("x-bunbase-trigger") !== "cron") {
    return Response.json({ nights: Number((await bunbase.kv.get("nights")) ?? 0) });
  }
  const { scheduled_at } = (await req.json()) as { scheduled_at: string };
  const nights = await bunbase.kv.increment("nights");
  console.log("counted", { nights, scheduled_at });
  return new Response(null, { status: 204 });
};
