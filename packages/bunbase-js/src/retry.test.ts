import { expect, test } from "bun:test";
import { BunbaseError, NetworkError, TimeoutError } from "./errors.ts";
import { DEFAULT_RETRY, retryDelayMs, wait } from "./retry.ts";

const always = () => 1;

function answered(status: number, retryAfter?: number): BunbaseError {
  return new BunbaseError({ code: "x", message: "x", status, retryAfter });
}

function delay(error: unknown, repeatable: boolean, attempt = 1): number | undefined {
  return retryDelayMs({ error, attempt, repeatable }, DEFAULT_RETRY, always);
}

test("waits double up to the bound and the attempts are counted", () => {
  const options = { attempts: 6, baseDelayMs: 100, maxDelayMs: 500 };
  const delays = [1, 2, 3, 4, 5, 6].map((attempt) =>
    retryDelayMs({ error: answered(503), attempt, repeatable: true }, options, always),
  );
  expect(delays).toEqual([100, 200, 400, 500, 500, undefined]);
});

test("jitter is full: the wait is anywhere from zero to the bound", () => {
  const failure = { error: answered(503), attempt: 1, repeatable: true };
  expect(retryDelayMs(failure, DEFAULT_RETRY, () => 0)).toBe(0);
  expect(retryDelayMs(failure, DEFAULT_RETRY, () => 0.5)).toBe(50);
});

test("a write whose outcome is unknown is not repeated", () => {
  const unknown = [
    new NetworkError("POST /x", new Error("reset")),
    new TimeoutError("POST /x", 10),
    answered(500),
    answered(502),
    answered(503),
    answered(504),
  ];
  for (const error of unknown) expect(delay(error, false)).toBeUndefined();
});

test("a read is repeated after what passes, not after what stays", () => {
  expect(delay(new NetworkError("GET /x", new Error("reset")), true)).toBe(100);
  expect(delay(answered(502), true)).toBe(100);
  for (const status of [400, 401, 403, 404, 409, 413, 500]) {
    expect(delay(answered(status), true)).toBeUndefined();
  }
});

test("a refused write is repeated after the time that the server asked for", () => {
  expect(delay(answered(429, 2), false)).toBe(2100);
  expect(delay(answered(503, 0), false)).toBe(100);
  expect(delay(answered(429, 3600), false)).toBeUndefined();
});

test("an abort ends a wait with its reason", async () => {
  const controller = new AbortController();
  const waiting = wait(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(wait(60_000, controller.signal)).rejects.toThrow("enough");
});
