/**
 * Session tokens: `base64url(JSON of the payload with exp) "." base64url(HMAC-SHA256 of the first part's text)`, with
 * `exp` in seconds since the epoch. The server's own session cookies are of the same make.
 */
import { timingSafeEqual } from "node:crypto";

export interface SessionPayload {
  userId: string;
  role?: string;
  orgId?: string;
  [key: string]: unknown;
}

export interface SessionManagerOptions {
  /** At least 32 characters. Signs. */
  secret: string;
  /** Secrets of the time before a rotation: they verify, and no longer sign. */
  previousSecrets?: readonly string[];
  /** Seconds, 7 days unless said. */
  expiresIn?: number;
}

const SECRET_LENGTH_MIN = 32;
const DEFAULT_EXPIRES_IN_S = 604_800;
const TOKEN_LENGTH_MAX = 8_192;

export class SessionManager {
  readonly #secrets: readonly [string, ...string[]];
  readonly #expiresIn: number;

  constructor({ secret, previousSecrets = [], expiresIn }: SessionManagerOptions) {
    this.#secrets = [secret, ...previousSecrets];
    this.#expiresIn = expiresIn ?? DEFAULT_EXPIRES_IN_S;
    if (this.#secrets.some(({ length }) => length < SECRET_LENGTH_MIN))
      throw new RangeError(`a session secret has at least ${SECRET_LENGTH_MIN} characters`);
  }

  create(payload: SessionPayload): string {
    const exp = Math.floor(Date.now() / 1000) + this.#expiresIn;
    const encoded = Buffer.from(JSON.stringify({ ...payload, exp })).toString("base64url");
    return `${encoded}.${hmac(this.#secrets[0], encoded).toString("base64url")}`;
  }

  /** The payload, with `exp`; null for a token that is malformed, not signed with a secret known here, or too old. */
  verify(token: string): (SessionPayload & { exp: number }) | null {
    const [encoded, signature, ...rest] = token.split(".");
    if (!encoded || !signature || rest.length > 0 || token.length > TOKEN_LENGTH_MAX) return null;
    const given = Buffer.from(signature, "base64url");
    if (!this.#secrets.some((secret) => same(hmac(secret, encoded), given))) return null;
    const payload = JSON.parse(Buffer.from(encoded, "base64url").toString()) as SessionPayload & {
      exp: number;
    };
    return payload.exp > Date.now() / 1000 ? payload : null;
  }
}

function hmac(secret: string, text: string): Buffer {
  return new Bun.CryptoHasher("sha256", secret).update(text).digest();
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
