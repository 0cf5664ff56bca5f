import { expect, test } from "bun:test";
import { HandlerContext } from "./context.ts";
import { installGlobals } from "./globals.ts";
import { LazyRequest, NativeRequest } from "./lazy-request.ts";
import { NativeResponse } from "./light-response.ts";
import { CANCEL_CALLER_GONE, CANCEL_DEADLINE } from "./protocol.ts";
import { type CallShape, callOf, requestOf } from "./testing.ts";

installGlobals();

const JSON_CALL: CallShape = {
  headers: { "Content-Type": "application/json", "X-A": "1" },
  body: '{"a":[1,"ä"]}',
};

function nativeOf(shape: CallShape): Request {
  const init: RequestInit = { method: shape.method ?? (shape.body === undefined ? "GET" : "POST") };
  if (shape.headers !== undefined) init.headers = shape.headers;
  if (shape.body !== undefined) init.body = shape.body as BodyInit;
  return new NativeRequest(shape.url ?? "http://localhost/path?q=1", init);
}

/** What reading gives, or how it fails. */
async function outcome(read: () => Promise<unknown>): Promise<unknown> {
  try {
    return await read();
  } catch (error) {
    return { name: (error as Error).name, message: (error as Error).message };
  }
}

const SHAPES: Record<string, CallShape> = {
  "no body": {},
  json: JSON_CALL,
  "broken json": { body: "{" },
  "empty body": { body: "" },
  "byte order mark": { body: Buffer.from("\ufeff{}") },
  "invalid utf-8": { body: Uint8Array.of(0x61, 0xff, 0x62) },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  for (const reader of ["text", "json", "arrayBuffer", "bytes"] as const) {
    test(`${reader} of ${name} is that of the native class, read once and twice`, async () => {
      const lazy = requestOf(shape);
      const native = nativeOf(shape);
      expect(await outcome(() => lazy[reader]())).toEqual(await outcome(() => native[reader]()));
      expect(lazy.bodyUsed).toBe(native.bodyUsed);
      expect(await outcome(() => lazy[reader]())).toEqual(await outcome(() => native[reader]()));
    });
  }
}

test("one header is read by its name without the others", () => {
  const context = new HandlerContext(callOf(JSON_CALL));
  expect(context.header("x-a")).toBe("1");
  expect(context.header("content-type")).toBe("application/json");
  expect(context.header("x-b")).toBeUndefined();
});

test("the request is a Request with method, url and headers", () => {
  const request = requestOf({ ...JSON_CALL, method: "PUT" });
  expect(request).toBeInstanceOf(Request);
  expect(request.method).toBe("PUT");
  expect(request.url).toBe("http://localhost/path?q=1");
  expect(request.headers.get("x-a")).toBe("1");
  expect(request.headers.get("X-Invocation-Id")).toBe("invocation-1");
  expect([...request.headers.keys()]).toEqual(["content-type", "x-a", "x-invocation-id"]);
  expect(Object.prototype.toString.call(request)).toBe("[object Request]");
  expect(request.redirect).toBe("follow");
});

for (const url of [
  "http://localhost/a/../b/./c",
  "http://localhost:80/a b",
  "http://LOCALHOST/ä?ö",
  'http://localhost/a?b="c"',
  "http://localhost/%2e%2e/a",
  "http://localhost/.hidden/a.b",
  "http://localhost/a?b=[1]&c=.//../",
]) {
  test(`the url ${url} is normalised as by the native class`, () => {
    expect(requestOf({ url }).url).toBe(new NativeRequest(url).url);
  });
}

test("a clone reads on its own, also after headers were changed", async () => {
  const request = requestOf(JSON_CALL);
  request.headers.set("x-b", "2");
  const clone = request.clone();
  expect(clone.headers.get("x-b")).toBe("2");
  expect(await clone.text()).toBe(await request.text());
  expect(request.bodyUsed).toBe(true);
  expect(() => request.clone()).toThrow();
});

test("a body that was read cannot be cloned or read as a stream", async () => {
  const request = requestOf(JSON_CALL);
  await request.text();
  expect(request.bodyUsed).toBe(true);
  expect(() => request.clone()).toThrow();
});

test("new Request takes it as input and as init", async () => {
  const copy = new Request(requestOf(JSON_CALL), { headers: { "x-only": "1" } });
  expect(copy).toBeInstanceOf(Request);
  expect([copy.method, copy.headers.get("x-only"), await copy.text()]).toEqual([
    "POST",
    "1",
    '{"a":[1,"ä"]}',
  ]);
  const other = new Request("http://other/", requestOf(JSON_CALL));
  expect([other.url, other.method, other.headers.get("x-a")]).toEqual([
    "http://other/",
    "POST",
    "1",
  ]);
});

test("fetch sends it on", async () => {
  const echo = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) =>
      new NativeResponse(`${request.method} ${request.headers.get("x-a")} ${await request.text()}`),
  });
  const url = `http://127.0.0.1:${echo.port}/`;
  expect(await (await fetch(requestOf({ ...JSON_CALL, url }))).text()).toBe('POST 1 {"a":[1,"ä"]}');
  expect(await (await fetch(url, requestOf(JSON_CALL))).text()).toBe('POST 1 {"a":[1,"ä"]}');
  await echo.stop(true);
});

test("the body is a stream, and form data is parsed", async () => {
  const request = requestOf(JSON_CALL);
  expect(await Bun.readableStreamToText(request.body as ReadableStream)).toBe('{"a":[1,"ä"]}');
  const form = requestOf({
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "a=1&b=2",
  });
  expect((await form.formData()).get("b")).toBe("2");
});

test("a blob has the type of the request", async () => {
  const blob = await requestOf(JSON_CALL).blob();
  expect(blob.type).toStartWith("application/json");
  expect(await blob.text()).toBe('{"a":[1,"ä"]}');
  expect((await requestOf({}).blob()).size).toBe(0);
});

test("the signal aborts with the reason, before and after it was asked for", () => {
  const early = callOf({});
  early.cancel(CANCEL_DEADLINE);
  const signal = (new LazyRequest(early) as unknown as Request).signal;
  expect([signal.aborted, signal.reason.name]).toEqual([true, "TimeoutError"]);
  const late = callOf({});
  const request = new LazyRequest(late) as unknown as Request;
  expect(request.signal.aborted).toBe(false);
  late.cancel(CANCEL_CALLER_GONE);
  expect([request.signal.aborted, request.signal.reason.name]).toEqual([true, "AbortError"]);
});

test("a class that extends Request works", () => {
  class Own extends Request {
    readonly extra = 1;
  }
  const own = new Own("http://localhost/");
  expect([own instanceof Own, own instanceof Request, own.extra]).toEqual([true, true, 1]);
});

test("parameters of the path stand between the address and the headers", () => {
  const call = callOf({ ...JSON_CALL, handler: 258, params: { id: "ä/1" } });
  expect(call.head.handler).toBe(258);
  expect(new HandlerContext(call).params).toEqual({ id: "ä/1" });
  expect(call.head.url).toBe("http://localhost/path?q=1");
  expect(call.head.headers().get("x-a")).toBe("1");
  expect(new HandlerContext(callOf(JSON_CALL)).params).toEqual({});
});
