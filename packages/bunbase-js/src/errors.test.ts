import { expect, test } from "bun:test";
import { errorFromResponse, retryAfterSeconds } from "./errors.ts";

test("the server's error keeps code, status, details, request id and Retry-After", () => {
  const text = JSON.stringify({
    error: { code: "rate_limited", message: "slow down", details: { limit: 5 }, request_id: "r7" },
  });
  const response = new Response(null, { status: 429, headers: { "retry-after": "3" } });
  expect(errorFromResponse(response, text)).toMatchObject({
    name: "BunbaseError",
    code: "rate_limited",
    message: "slow down",
    status: 429,
    details: { limit: 5 },
    requestId: "r7",
    retryAfter: 3,
  });
});

test("an answer of something else in between is an error with its text", () => {
  const response = new Response(null, { status: 502, headers: { "x-request-id": "r8" } });
  expect(errorFromResponse(response, "<h1>Bad gateway</h1>")).toMatchObject({
    code: "http_502",
    status: 502,
    details: "<h1>Bad gateway</h1>",
    requestId: "r8",
    retryAfter: undefined,
  });
});

test("the JSON of a function's own error is kept as details", () => {
  const error = errorFromResponse(new Response(null, { status: 400 }), '{"fields":{"lat":"no"}}');
  expect(error.details).toEqual({ fields: { lat: "no" } });
});

test("Retry-After is read as seconds or as a date", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  expect(retryAfterSeconds("7", now)).toBe(7);
  expect(retryAfterSeconds("Sat, 21 Nov 2026 12:00:30 GMT", now)).toBe(30);
  expect(retryAfterSeconds("Sat, 21 Nov 2026 11:00:00 GMT", now)).toBe(0);
  expect(retryAfterSeconds("soon", now)).toBeUndefined();
  expect(retryAfterSeconds(null, now)).toBeUndefined();
});
