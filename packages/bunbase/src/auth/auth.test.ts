/** Passwords and session tokens. */
import { expect, setSystemTime, test } from "bun:test";
import { createHmac } from "node:crypto";
import { hashPassword, Password, verifyPassword } from "./password.ts";
import { SessionManager } from "./session-manager.ts";

const NEW = "n".repeat(32);
const OLD = "o".repeat(32);

test("a password has a hash of its own each time, and no other password has it", async () => {
  const hash = await hashPassword("pässword");
  expect(hash).toStartWith("$argon2id$");
  expect(await hashPassword("pässword")).not.toBe(hash);
  expect(await verifyPassword("pässword", hash)).toBe(true);
  expect(await Password.verify("passwort", hash)).toBe(false);
  expect(await verifyPassword("pässword", "not a hash")).toBe(false);
  expect(await verifyPassword("pässword", null)).toBe(false);
  expect(await verifyPassword("", hash)).toBe(false);
  expect(hashPassword("x".repeat(1025))).rejects.toThrow(RangeError);
  expect(await verifyPassword("x".repeat(1025), await hashPassword("x"))).toBe(false);
  // Nine hashes, each made to take long.
}, 30_000);

test("a token is verified with its secret, or one from before a rotation", () => {
  const before = new SessionManager({ secret: OLD });
  const after = new SessionManager({ secret: NEW, previousSecrets: [OLD] });
  const token = before.create({ userId: "u", orgId: "o" });
  expect(after.verify(token)).toMatchObject({ userId: "u", orgId: "o" });
  expect(before.verify(after.create({ userId: "u" }))).toBeNull();
  expect(new SessionManager({ secret: NEW }).verify(token)).toBeNull();
  expect(() => new SessionManager({ secret: "short" })).toThrow(RangeError);
});

test("a token is JSON and the HMAC of its text, each as base64url", () => {
  const [payload = "", signature] = new SessionManager({ secret: NEW })
    .create({ userId: "ü" })
    .split(".");
  const json = Buffer.from(payload, "base64url").toString();
  expect(JSON.parse(json)).toEqual({ userId: "ü", exp: expect.any(Number) });
  expect(signature).toBe(createHmac("sha256", NEW).update(payload).digest("base64url"));
});

test("a token that was changed, cut or is too old is refused", () => {
  const sessions = new SessionManager({ secret: NEW, expiresIn: 60 });
  const token = sessions.create({ userId: "u" });
  const [payload = "", signature = ""] = token.split(".");
  const forged = Buffer.from(JSON.stringify({ userId: "admin", exp: 9e9 })).toString("base64url");
  for (const bad of [
    "",
    ".",
    payload,
    `${payload}.`,
    `${token}.x`,
    `${forged}.${signature}`,
    `${payload}.${signature.slice(0, -2)}`,
    `x${token}`,
  ])
    expect([bad, sessions.verify(bad)]).toEqual([bad, null]);
  setSystemTime(new Date(Date.now() + 61_000));
  expect(sessions.verify(token)).toBeNull();
  setSystemTime();
  expect(sessions.verify(token)?.userId).toBe("u");
});
