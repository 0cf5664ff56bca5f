// What all sides of part i share: the shape of an order, what is done with it, and the session of a cookie. No side has a
// line of its own for it but what its framework wants to be told.

import { timingSafeEqual } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";

export const Order = Type.Object({
  title: Type.String({ minLength: 1, maxLength: 200 }),
  quantity: Type.Integer({ minimum: 1, maximum: 1000 }),
  price: Type.Number({ minimum: 0 }),
  tags: Type.Array(Type.String({ maxLength: 40 }), { maxItems: 10 }),
  customer: Type.Object({
    email: Type.String({ minLength: 3, maxLength: 255 }),
    name: Type.String({ minLength: 1, maxLength: 100 }),
  }),
});
export type Order = Static<typeof Order>;

export const Receipt = Type.Object({ id: Type.String(), total: Type.Number() });
export type Receipt = Static<typeof Receipt>;

export function receive(order: Order): Receipt {
  return { id: `${order.customer.email}/${order.title}`, total: order.quantity * order.price };
}

export const COOKIE = "bunbase_session";
const SECRET = "a secret of at least thirty-two characters";

/** `payload.mac`, as HMAC-SHA256 sessions are; what the peers sign in with. */
export function sign(payload: object): string {
  const text = Buffer.from(JSON.stringify(payload)).toString("base64url");
  return `${text}.${mac(text)}`;
}

/** Who is signed in; nobody where the cookie is missing, forged or over. */
export function session(token: string | undefined): { userId: string } | undefined {
  const [text, signature] = token?.split(".") ?? [];
  if (text === undefined || signature === undefined) return undefined;
  const [given, wanted] = [Buffer.from(signature), Buffer.from(mac(text))];
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
  const payload = JSON.parse(Buffer.from(text, "base64url").toString());
  return payload.exp > Date.now() / 1000 ? payload : undefined;
}

function mac(text: string): string {
  return new Bun.CryptoHasher("sha256", SECRET).update(text).digest("base64url");
}

/** One cookie of a `Cookie` header. */
export function cookie(header: string | null | undefined): string | undefined {
  return header?.match(/(?:^|; )bunbase_session=([^;]*)/)?.[1];
}
