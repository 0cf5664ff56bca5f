import { expect, test } from "bun:test";
import { installGlobals } from "./globals.ts";
import { LightResponse, NativeResponse } from "./light-response.ts";

installGlobals();

type Make = (Class: typeof Response) => Response;

const SAME: Record<string, Make> = {
  text: (R) => new R("text"),
  empty: (R) => new R(),
  "null body": (R) => new R(null, { status: 204 }),
  bytes: (R) => new R(new Uint8Array([1, 2])),
  status: (R) => new R("a", { status: 418, headers: { "X-A": "1", "content-type": "a/b" } }),
  "header objects": (R) => new R("a", { headers: new Headers({ "x-a": "1" }) }),
  "header pairs": (R) =>
    new R("a", {
      headers: [
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
      ],
    }),
  "values to be trimmed": (R) => new R("a", { headers: { "x-a": "  1 " } }),
  "status text": (R) => new R("a", { statusText: "fine" }),
  json: (R) => R.json({ a: [1, "ä"] }),
  "json with a type": (R) => R.json({ a: 1 }, { status: 201, headers: { "Content-Type": "x/y" } }),
  redirect: (R) => R.redirect("http://a/", 303),
  stream: (R) => new R(new Blob(["ab"]).stream()),
  "bad status": (R) => new R("a", { status: 42 }),
  "bad header name": (R) => new R("a", { headers: { "a b": "1" } }),
  "bad header value": (R) => new R("a", { headers: { a: "1\n2" } }),
  "unserialisable json": (R) => R.json(undefined),
  "json of a bigint": (R) => R.json(1n),
  number: (R) => new R(5 as unknown as string),
  "array buffer": (R) => new R(Uint8Array.of(1, 2).buffer),
  "part of a buffer": (R) => new R(new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 1)),
  "search parameters": (R) => new R(new URLSearchParams({ a: "ä b" })),
  "search parameters with a type": (R) =>
    new R(new URLSearchParams("a=1"), { headers: { "content-type": "x/y" } }),
  "init of a response": (R) => new R("b", new R("a", { status: 202, headers: { "x-a": "1" } })),
  "header of no text": (R) => new R("a", { headers: { a: 5 as unknown as string, b: "" } }),
  "without new": (R) => (R as unknown as (body: string) => Response)("a"),
};

async function seen(make: Make, Class: typeof Response): Promise<unknown> {
  try {
    const response = make(Class);
    const { status, statusText, ok, type, redirected, bodyUsed } = response;
    const headers = [...response.headers];
    return {
      status,
      statusText,
      ok,
      type,
      redirected,
      bodyUsed,
      headers,
      bytes: await response.bytes(),
    };
  } catch (error) {
    return { name: (error as Error).name, message: (error as Error).message };
  }
}

for (const [name, make] of Object.entries(SAME)) {
  test(`${name}: as the native class`, async () => {
    expect(await seen(make, Response)).toEqual(await seen(make, NativeResponse));
  });
}

function parts(response: Response) {
  if (!LightResponse.is(response)) throw new Error("not light");
  return LightResponse.parts(response);
}

test("light responses are Responses", () => {
  const response = new Response("a");
  expect(response).toBeInstanceOf(Response);
  expect(response.constructor).toBe(Response);
  expect(Response.json({})).toBeInstanceOf(Response);
  expect(Object.prototype.toString.call(response)).toBe("[object Response]");
  expect(Bun.inspect(response)).toContain("Response");
});

test("what is sent has the type that Bun.serve would give", () => {
  expect(parts(new Response("a"))?.block).toContain("text/plain;charset=utf-8");
  expect(parts(Response.json(1))?.block).toContain("application/json;charset=utf-8");
  expect(parts(new Response(new Uint8Array(1)))?.block).toContain("application/octet-stream");
  expect(parts(new Response(""))).toMatchObject({ count: 0, block: "" });
  expect(parts(new Response("a", { headers: { "Content-Type": "a/b" } }))?.count).toBe(1);
});

test("headers that are set later are sent, the body stays light", () => {
  const response = new Response("body");
  response.headers.append("set-cookie", "a=1");
  response.headers.append("set-cookie", "b=2");
  const sent = parts(response);
  expect(sent).toMatchObject({ status: 200, count: 3, body: "body" });
  expect(sent?.block).toContain("b=2");
});

test("a body that was read is not sent from memory", async () => {
  const read = new Response("a");
  await read.text();
  expect(read.bodyUsed).toBe(true);
  expect(parts(read)).toBeUndefined();
  const locked = new Response("a");
  locked.body?.getReader();
  expect(parts(locked)).toBeUndefined();
});

test("a body that was only looked at, cloned or wrapped is sent from memory", async () => {
  const response = new Response("body", { headers: { "x-a": "1" } });
  expect(response.body).toBeInstanceOf(ReadableStream);
  response.headers.set("x-a", "2");
  expect(await response.clone().text()).toBe("body");
  expect(response.clone().headers.get("x-a")).toBe("2");
  expect(parts(response)).toMatchObject({ count: 2, body: "body" });
  const outer = new Response(response.body, response);
  expect(outer.headers.get("x-a")).toBe("2");
  expect(parts(outer)).toMatchObject({ count: 2, body: "body" });
  expect(parts(outer)?.block).toContain("application/octet-stream");
});

test("headers of every kind leave a response light", () => {
  for (const headers of [new Headers({ "x-a": "1" }), [["x-a", "1"]], new Map([["x-a", "1"]])]) {
    const sent = parts(new Response("a", { headers: headers as HeadersInit }));
    expect(sent).toMatchObject({ count: 2, body: "a" });
  }
});

test("what is given is taken at once", async () => {
  const bytes = new Uint8Array([1, 2]);
  const headers = { "x-a": "1" };
  const response = new Response(bytes, { headers });
  bytes[0] = 9;
  headers["x-a"] = "2";
  expect(response.headers.get("x-a")).toBe("1");
  expect([...(await response.bytes())]).toEqual([1, 2]);
});

test("a light response is taken as init, and by subclasses, writers and rewriters", async () => {
  const base = new Response("a", { status: 202, headers: { "x-a": "1" } });
  const copy = new Response(base.body, base);
  expect([copy.status, copy.headers.get("x-a"), await copy.text()]).toEqual([202, "1", "a"]);
  class Own extends Response {
    readonly extra = 1;
  }
  const own = new Own("b");
  expect([own instanceof Own, own instanceof Response, own.extra, await own.text()]).toEqual([
    true,
    true,
    1,
    "b",
  ]);
  const rewriter = new HTMLRewriter().on("p", {
    element: (element) => void element.setInnerContent("new"),
  });
  const html = new Response("<p>old</p>", { headers: { "content-type": "text/html" } });
  expect(await rewriter.transform(html).text()).toBe("<p>new</p>");
});
