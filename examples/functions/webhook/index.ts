/** Takes webhooks that are signed as GitHub signs them, and publishes them as events. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { bunbase } from "bunbase-js/function";

export default async (req: Request): Promise<Response> => {
  // The signature is over the bytes as they came: parse them only after that.
  const body = await req.text();
  if (!isSigned(body, req.headers.get("x-hub-signature-256") ?? "")) {
    return new Response("the signature is wrong", { status: 401 });
  }
  const event = req.headers.get("x-github-event") ?? "unknown";
  await bunbase.events.publish(`github.${event}`, JSON.parse(body));
  return new Response(null, { status: 202 });
};

function isSigned(body: string, signature: string): boolean {
  const secret = process.env.WEBHOOK_SECRET;
  if (!secret) throw new Error("the variable WEBHOOK_SECRET is not set");
  const expected = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  return (
    signature.length === expected.length &&
    timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
  );
}
