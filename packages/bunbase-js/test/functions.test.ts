import { afterAll, afterEach, expect, test } from "bun:test";
import { bunbase, type FunctionChannel, upgradeWebSocket, waitUntil } from "../src/function.ts";
import { createClient } from "../src/index.ts";
import { fail, ok, WireServer } from "./server.ts";

const CHANNEL = Symbol.for("bunbase.channel");
const holder = globalThis as { [CHANNEL]?: FunctionChannel };
const server = new WireServer();
const { functions } = createClient(server.url, "pk_test", { retry: { baseDelayMs: 1 } });

afterEach(() => {
  delete holder[CHANNEL];
});
afterAll(() => server.stop());

test("invoke posts JSON and answers with JSON", async () => {
  server.answer(ok({ hello: "Ada" }));
  expect(await functions.invoke<{ hello: string }>("greet", { name: "Ada" })).toEqual({
    hello: "Ada",
  });
  expect(server.asked[0]).toMatchObject({
    method: "POST",
    path: "/v1/functions/greet",
    body: { name: "Ada" },
  });
});

test("invoke takes method, path, query and headers", async () => {
  server.answer(() => new Response("pong"));
  const answer = await functions.invoke("ping", undefined, {
    method: "GET",
    path: "/deep/er",
    query: { a: 1, b: true, c: undefined },
    headers: { "x-trace": "t" },
  });
  expect(answer).toBe("pong");
  expect(server.asked[0]).toMatchObject({
    method: "GET",
    path: "/v1/functions/ping/deep/er",
    query: { a: "1", b: "true" },
  });
  expect(server.asked[0]?.headers.get("x-trace")).toBe("t");
});

test("a function's error status is thrown, and a POST is not made again", async () => {
  server.answer(fail(500, "handler_error"), ok({}));
  await expect(functions.invoke("greet", {})).rejects.toMatchObject({ code: "handler_error" });
  expect(server.asked).toHaveLength(1);
});

test("fetch gives the answer as it is", async () => {
  server.answer(() => new Response("gone", { status: 410, headers: { "x-own": "1" } }));
  const response = await functions.fetch("old", "a?b=1", { headers: { accept: "text/plain" } });
  expect(response.status).toBe(410);
  expect(response.headers.get("x-own")).toBe("1");
  expect(server.asked[0]).toMatchObject({ path: "/v1/functions/old/a", query: { b: "1" } });
  expect(server.asked[0]?.headers.get("x-bunbase-client-key")).toBe("pk_test");
});

test("inside a function calls travel over the worker's channel", async () => {
  const sent: unknown[] = [];
  holder[CHANNEL] = {
    fetch: async ({ method, path, body }) => {
      sent.push({ method, path, body });
      return Response.json({ documents: [{ _id: "1" }], next_cursor: null });
    },
    waitUntil: () => {},
  };
  const page = await bunbase.db.collection("places").query({ cell: "u0" });
  expect(page.documents).toEqual([{ _id: "1" }]);
  expect(sent).toEqual([
    {
      method: "POST",
      path: "/v1/database/collections/places/documents/query",
      body: '{"query":{"cell":"u0"}}',
    },
  ]);
});

test("a channel that never answers is left at the timeout", async () => {
  holder[CHANNEL] = { fetch: () => new Promise(() => {}), waitUntil: () => {} };
  const create = bunbase.db.collection("places").create({}, { timeoutMs: 5 });
  await expect(create).rejects.toMatchObject({ code: "timeout" });
});

test("work after the answer is handed to the worker", async () => {
  const kept: Promise<unknown>[] = [];
  holder[CHANNEL] = { fetch: () => Promise.reject(), waitUntil: (work) => kept.push(work) };
  waitUntil(Promise.resolve(7));
  expect(await kept[0]).toBe(7);
});

test("a WebSocket is taken by the worker, and by no other runtime", () => {
  const request = new Request("http://a/");
  const taken = { socket: {} as WebSocket, response: new Response() };
  const channel = { fetch: () => Promise.reject(), waitUntil: () => {} };
  holder[CHANNEL] = { ...channel, upgradeWebSocket: () => taken };
  expect(upgradeWebSocket(request, { protocol: "chat" })).toBe(taken);
  holder[CHANNEL] = channel;
  expect(() => upgradeWebSocket(request)).toThrow(TypeError);
});

test("outside a function the error says what to use", async () => {
  await expect(bunbase.db.collection("places").get("1")).rejects.toMatchObject({
    code: "outside_function",
    message: expect.stringContaining("createClient"),
  });
});
