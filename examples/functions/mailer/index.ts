/** Takes the jobs of the queue `mail`, five at once, and notes what was sent. */
import { bunbase } from "bunbase-js/function";

export const config = {
  triggers: [{ kind: "queue", queue: "mail", concurrency: 5, retries: { max_attempts: 8 } }],
};

interface Mail {
  to: string;
  subject: string;
}

export default async (req: Request): Promise<Response> => {
  const { payload } = (await req.json()) as { payload: Mail };
  if (!payload.to.includes("@")) {
    // Trying again would not help: it is a dead letter at once.
    return new Response("`to` is no address", {
      status: 400,
      headers: { "x-bunbase-retry": "no" },
    });
  }
  // Every attempt of a job has the same key. With it as the id, a job that ran twice leaves one document;
  // a mail service that takes an idempotency key sends one mail.
  const key = req.headers.get("idempotency-key") ?? "";
  await bunbase.db.collection<Mail>("sent").replace(key, payload);
  return new Response(null, { status: 204 });
};
