/** Keys, retries, timeouts and aborts over a real connection. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { BunbaseError, createClient, NetworkError, TimeoutError } from "../src/index.ts";
import { fail, ok, WireServer } from "./server.ts";

const server = new WireServer();
const retry = { baseDelayMs: 1, maxDelayMs: 50 };
const client = createClient(`${server.url}/`, "sk_test", { retry });
const places = client.db.collection<{ name: string }>("places");
const page = { documents: [], next_cursor: null };

beforeEach(() => server.answer(ok(page)));
afterAll(() => server.stop());

test("every call carries the key", async () => {
  await places.list();
  expect(server.asked[0]?.headers.get("x-bunbase-client-key")).toBe("sk_test");
});

test("an address or a key that cannot work is refused at once", () => {
  expect(() => createClient("localhost:3001", "pk_x")).toThrow("http://");
  expect(() => createClient("http://localhost:3001", "")).toThrow("key");
});

test("a read and a query are made again until they are answered", async () => {
  for (const read of [() => places.list(), () => places.query({ name: "x" })]) {
    server.answer(fail(503, "unavailable"), fail(502, "bad"), ok(page));
    expect(await read()).toEqual(page);
    expect(server.asked).toHaveLength(3);
  }
});

test("a create is sent once when its outcome is unknown", async () => {
  server.answer(fail(502, "worker_crashed"), ok({ _id: "1", name: "x" }));
  await expect(places.create({ name: "x" })).rejects.toMatchObject({ status: 502 });
  expect(server.asked).toHaveLength(1);
});

test("a create that was refused with Retry-After is sent again", async () => {
  const busy = fail(429, "rate_limited", { "retry-after": "0" });
  server.answer(busy, fail(503, "overloaded", { "retry-after": "0" }), ok({ _id: "1", name: "x" }));
  expect(await places.create({ name: "x" })).toEqual({ _id: "1", name: "x" });
  expect(server.asked).toHaveLength(3);
});

test("a write that the caller calls idempotent is made again", async () => {
  server.answer(fail(502, "bad"), ok({ commit: 1, results: [] }));
  const operations = [{ op: "replace", collection: "c", id: "1", document: {} }] as const;
  expect(await client.db.batch(operations, { idempotent: true })).toEqual({
    commit: 1,
    results: [],
  });
});

test("replace is made again without a condition, once with one", async () => {
  server.answer(fail(502, "bad"), ok({ _id: "1", name: "x" }));
  await places.replace("1", { name: "x" });
  expect(server.asked).toHaveLength(2);
  server.answer(fail(502, "bad"), ok({ _id: "1", name: "x" }));
  const conditional = places.replace("1", { name: "x" }, { ifVersion: 3 });
  await expect(conditional).rejects.toBeInstanceOf(BunbaseError);
  expect(server.asked).toHaveLength(1);
});

test("a connection that cannot be made is a NetworkError", async () => {
  const gone = new WireServer();
  const url = gone.url;
  await gone.stop();
  const calls = createClient(url, "sk_test", { retry: { attempts: 1 } });
  const failed = calls.db.collection("places").get("1");
  await expect(failed).rejects.toBeInstanceOf(NetworkError);
  await expect(failed).rejects.toMatchObject({ code: "network_error", status: 0 });
});

test("each attempt has its own timeout", async () => {
  const never = () => new Promise<Response>(() => {});
  server.answer(never, never, ok(page));
  expect(await places.list({ timeoutMs: 20 })).toEqual(page);
  expect(server.asked).toHaveLength(3);
  server.answer(never);
  await expect(places.create({ name: "x" }, { timeoutMs: 20 })).rejects.toBeInstanceOf(
    TimeoutError,
  );
});

test("an abort reaches the server and is thrown as its reason", async () => {
  const controller = new AbortController();
  const closed = Promise.withResolvers<void>();
  server.answer((_, signal) => {
    signal.addEventListener("abort", () => closed.resolve());
    controller.abort(new Error("no longer wanted"));
    return new Promise<Response>(() => {});
  });
  await expect(places.list({ signal: controller.signal })).rejects.toThrow("no longer wanted");
  await closed.promise;
  expect(server.asked).toHaveLength(1);
});

test("a call with an aborted signal is not sent", async () => {
  const signal = AbortSignal.abort(new Error("too late"));
  await expect(places.create({ name: "x" }, { signal })).rejects.toThrow("too late");
  expect(server.asked).toHaveLength(0);
});

test("a body that is not JSON is an error with a code", async () => {
  server.answer(() => new Response("<html>"));
  await expect(places.list()).rejects.toMatchObject({ code: "invalid_answer", status: 200 });
});
