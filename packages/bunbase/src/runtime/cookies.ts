// Cookies as they are sent and read (RFC 6265).

import type { CookieOptions } from "../types.ts";

/** A `Set-Cookie` header. */
export function setCookie(name: string, value: string, options: CookieOptions = {}): string {
  const {
    httpOnly = true,
    secure,
    sameSite = "lax",
    maxAge,
    path = "/",
    domain,
    expires,
  } = options;
  const parts = [`${name}=${encodeURIComponent(value)}`, `Path=${path}`];
  if (domain !== undefined) parts.push(`Domain=${domain}`);
  if (maxAge !== undefined) parts.push(`Max-Age=${Math.trunc(maxAge)}`);
  if (expires !== undefined) parts.push(`Expires=${expires.toUTCString()}`);
  if (httpOnly) parts.push("HttpOnly");
  if (secure) parts.push("Secure");
  parts.push(`SameSite=${sameSite[0]?.toUpperCase()}${sameSite.slice(1)}`);
  return parts.join("; ");
}
