// Cases about the response that a handler gives.

import { answers, type Cases, fails, lastPart, outcome, type Sent, same, streams } from "./case.ts";

const BYTES = Uint8Array.of(0, 1, 2, 0xfe, 0xff);

function form(): FormData {
  const data = new FormData();
  data.set("a", "1");
  data.set("f", new File(["of the file"], "b.txt", { type: "text/plain" }));
  return data;
}

function streamOf(...parts: (string | Uint8Array)[]): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

async function* letters(): AsyncGenerator<string> {
  for (const letter of "abc") {
    await Bun.sleep(1);
    yield letter;
  }
}

const MADE: Record<string, () => unknown> = {
  text: () => new Response("grüße"),
  "long text": () => new Response("ä".repeat(300_000)),
  "empty text": () => new Response(""),
  nothing: () => new Response(),
  null: () => new Response(null),
  undefined: () => new Response(undefined, {}),
  number: () => new Response(5 as unknown as string),
  bytes: () => new Response(BYTES),
  "part of bytes": () => new Response(BYTES.subarray(1, 3)),
  "many bytes": () => new Response(new Uint8Array(300_000).fill(7)),
  "array buffer": () => new Response(BYTES.buffer.slice(0)),
  "data view": () => new Response(new DataView(BYTES.buffer, 1, 2)),
  "16 bit": () => new Response(new Uint16Array([1, 2])),
  buffer: () => new Response(Buffer.from("of a buffer")),
  blob: () => new Response(new Blob(["a", "b"])),
  "blob of bytes": () => new Response(new Blob([BYTES])),
  "large blob": () => new Response(new Blob(["ä".repeat(300_000)], { type: "text/html" })),
  "empty blob": () => new Response(new Blob([])),
  "empty bytes": () => new Response(new Uint8Array(0)),
  "typed blob": () => new Response(new Blob(["a"], { type: "image/png" })),
  file: () => new Response(new File(["a"], "a.txt", { type: "text/css" })),
  "search parameters": () => new Response(new URLSearchParams({ a: "1", b: "ä c" })),
  "no search parameters": () => new Response(new URLSearchParams()),
  "search parameters with a type": () =>
    new Response(new URLSearchParams("a=1"), { headers: { "content-type": "x/y" } }),
  json: () => Response.json({ a: [1, "ä", null], b: undefined }),
  "json text": () => Response.json("a"),
  "json null": () => Response.json(null),
  "json with toJSON": () => Response.json(new Date(0)),
  "json with a status and headers": () =>
    Response.json([1], {
      status: 201,
      headers: { "x-a": "1", "content-type": "application/problem+json" },
    }),
  redirect: () => Response.redirect("http://a.example/b?c#d"),
  "relative redirect": () => Response.redirect("/b"),
  "redirect with a status": () => Response.redirect("http://a.example/", 303),
  "redirect with init": () =>
    Response.redirect("http://a.example/", {
      status: 308,
      headers: { "x-a": "1" },
    } as unknown as number),
  "no content": () => new Response(null, { status: 204 }),
  "no content with headers": () => new Response(null, { status: 204, headers: { "x-a": "1" } }),
  "not modified": () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
  "reset content": () => new Response(null, { status: 205 }),
  "not found": () => new Response("no", { status: 404 }),
  teapot: () => new Response("tea", { status: 418, statusText: "I am" }),
  "server error": () => new Response("broken", { status: 500 }),
  "a status without a name": () => new Response("x", { status: 599 }),
  "headers of an object": () =>
    new Response("a", { headers: { "X-A": "1", "Cache-Control": "no-store", "x-empty": "" } }),
  "headers with spaces": () => new Response("a", { headers: { "x-a": "  a  b\t" } }),
  "headers of pairs": () =>
    new Response("a", {
      headers: [
        ["x-a", "1"],
        ["x-a", "2"],
        ["set-cookie", "a=1; Path=/"],
        ["set-cookie", "b=2, 3"],
      ],
    }),
  "headers added later": () => {
    const response = new Response("a", { headers: { "x-a": "1", "x-gone": "1" } });
    response.headers.append("x-a", "2");
    response.headers.append("set-cookie", "a=1");
    response.headers.append("set-cookie", "b=2");
    response.headers.set("content-type", "text/html");
    response.headers.delete("x-gone");
    return response;
  },
  "type removed": () => {
    const response = new Response("a");
    response.headers.delete("content-type");
    return response;
  },
  "type of json removed": () => {
    const response = Response.json({});
    response.headers.delete("content-type");
    return response;
  },
  "latin-1 header": () => new Response("a", { headers: { "x-a": "é" } }),
  "a length that the handler set": () =>
    new Response("abc", { headers: { "content-length": "3" } }),
  "a date that the handler set": () =>
    new Response("abc", { headers: { server: "mine", date: "today" } }),
  "headers from Headers": () =>
    new Response("a", {
      headers: new Headers([
        ["b", "2"],
        ["a", "1"],
      ]),
    }),
  "headers from a Map": () =>
    new Response("a", { headers: new Map([["x-a", "1"]]) as unknown as Headers }),
  "init of a response": () =>
    new Response("b", new Response("a", { status: 202, headers: { "x-a": "1" } })),
  "response around a response": () => {
    const inner = new Response("inner", { status: 201, headers: { "x-a": "1" } });
    const outer = new Response(inner.body, inner);
    outer.headers.set("x-b", "2");
    return outer;
  },
  "response around json": () => {
    const inner = Response.json({ a: 1 });
    return new Response(inner.body, { headers: inner.headers });
  },
  "body of a large response": () => new Response(new Response("ä".repeat(300_000)).body),
  "body of a response": () => new Response(new Response("inner").body, { headers: { "x-a": "1" } }),
  "a clone": () => new Response("a", { status: 201, headers: { "x-a": "1" } }).clone(),
  "a response that was cloned": async () => {
    const response = Response.json({ a: 1 });
    await response.clone().text();
    return response;
  },
  "a class that extends Response": () => {
    class Own extends Response {}
    return new Own("own", { status: 203, headers: { "x-a": "1" } });
  },
  "by a promise": () => Promise.resolve(new Response("later")),
  "after a while": () => Bun.sleep(5).then(() => new Response("later")),
};

const STREAMED: Record<string, () => unknown> = {
  rewritten: () =>
    new HTMLRewriter()
      .on("p", { element: (element) => void element.setInnerContent("new") })
      .transform(new Response("<p>old</p>", { headers: { "content-type": "text/html" } })),
  "stream with a length": () =>
    new Response(streamOf("abc"), { headers: { "content-length": "3" } }),
  stream: () => new Response(streamOf("a", BYTES, "ä")),
  "empty stream": () => new Response(streamOf()),
  "piped stream": () =>
    new Response(streamOf(BYTES).pipeThrough(new CompressionStream("gzip")), {
      headers: { "content-encoding": "gzip" },
    }),
  "direct stream": () =>
    new Response(
      new ReadableStream({
        type: "direct",
        async pull(controller: { write(part: string): void; close(): void }) {
          controller.write("di");
          await Bun.sleep(1);
          controller.write("rect");
          controller.close();
        },
      } as unknown as UnderlyingDefaultSource),
    ),
  "byte stream": () =>
    new Response(
      new ReadableStream({
        type: "bytes",
        pull(controller) {
          controller.enqueue(Uint8Array.of(65));
          controller.close();
        },
      }),
    ),
  generator: () => new Response(letters() as unknown as ReadableStream),
  "generator function": () => new Response(letters as unknown as ReadableStream),
  iterable: () => new Response({ [Symbol.asyncIterator]: letters } as unknown as ReadableStream),
  "a cloned stream": async () => {
    const response = new Response(streamOf("a", "b"));
    const text = await response.clone().text();
    response.headers.set("x-clone", text);
    return response;
  },
};

function byName(table: Record<string, () => unknown>, ...methods: string[]): Sent[] {
  return Object.keys(table).flatMap((name) =>
    methods.map((method) => ({ method, tail: `/${encodeURIComponent(name)}` })),
  );
}

/** Made twice from what is the same object. */
const shared = new Response("shared", { headers: { "x-a": "1" } });
const empty = new Response(null);

const REFUSED: Record<string, () => unknown> = {
  "status 42": () => new Response("", { status: 42 }),
  "status 1000": () => new Response("", { status: 1000 }),
  "status text": () => new Response("", { status: "201" as unknown as number }).status,
  "a body with 204": () => new Response("a", { status: 204 }).status,
  "header name": () => new Response("", { headers: { "a b": "1" } }),
  "header line": () => new Response("", { headers: { a: "1\r\nb: 2" } }),
  "header not ascii": () => new Response("", { headers: { a: "→" } }),
  "header added, not ascii": () => new Response("").headers.set("a", "→"),
  "header of a symbol": () =>
    new Response("", { headers: { a: Symbol("a") as unknown as string } }),
  "header number": () =>
    new Response("", { headers: { a: 5 as unknown as string } }).headers.get("a"),
  "header undefined": () =>
    new Response("", { headers: { a: undefined as unknown as string } }).headers.get("a"),
  "headers null": () => new Response("", { headers: null as unknown as Headers }).status,
  "init null": () => new Response("", null as unknown as ResponseInit).status,
  "init text": () => new Response("", "x" as unknown as ResponseInit).status,
  "json of nothing": () => Response.json(undefined),
  "json of a circle": () => {
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    return Response.json(circle);
  },
  "json of a bigint": () => Response.json(1n),
  "redirect to nothing": () => Response.redirect(undefined as unknown as string),
  "redirect with 200": () => Response.redirect("/", 200),
  "without new": () => (Response as unknown as (body: string) => Response)("a"),
  "request without new": () => (Request as unknown as (url: string) => Request)("http://a/"),
  "bad url": () => new Request("no url"),
};

export const RESPONSES: Cases = {
  "a response": answers(
    (request) => MADE[decodeURIComponent(lastPart(request))]?.(),
    ...byName(MADE, "GET", "HEAD"),
  ),
  "a streamed response": streams(
    (request) => STREAMED[decodeURIComponent(lastPart(request))]?.(),
    ...byName(STREAMED, "GET"),
  ),
  "a response with a form": answers(async () => {
    const response = new Response(form());
    const type = response.headers.get("content-type") ?? "";
    const boundary = type.split("boundary=")[1] ?? "";
    const text = (await response.clone().text()).replaceAll(
      boundary.replaceAll('"', ""),
      "BOUNDARY",
    );
    const back = await response.formData();
    return Response.json([
      type.split(";")[0],
      text.length > 0,
      back.get("a"),
      await (back.get("f") as File).text(),
    ]);
  }),
  "a response that is sent twice": { ...fails(() => shared), sent: [{}, {}] },
  "an empty response that is sent twice": answers(() => empty, {}, {}),
  "what is refused": answers(async () => {
    const seen: Record<string, unknown> = {};
    for (const [name, make] of Object.entries(REFUSED)) {
      const made = await outcome(make);
      seen[name] = made instanceof Response || made instanceof Request ? "made" : made;
    }
    return Response.json(seen);
  }),
  "what a response is": answers(async () => {
    const response = new Response("abc", { status: 201, headers: { "x-a": "1" } });
    const { status, statusText, ok, type, url, redirected, bodyUsed } = response;
    const seen = {
      parts: { status, statusText, ok, type, url, redirected, bodyUsed },
      headers: [...response.headers],
      instances: [
        response instanceof Response,
        Response.json(1) instanceof Response,
        Response.error() instanceof Response,
      ],
      tag: [Object.prototype.toString.call(response), response[Symbol.toStringTag as never]],
      constructor: [response.constructor === Response, Response.name, Response.length],
      keys: [
        Object.keys(response),
        Object.getOwnPropertyNames(response),
        JSON.stringify(response),
        { ...response },
      ],
      has: ["status", "body", "json", "clone", "nothing"].map((name) => name in response),
      body: [response.body instanceof ReadableStream, same(() => response.body), response.bodyUsed],
      inspected: /^Response \(3 bytes\) \{/.test(Bun.inspect(new Response("abc"))),
      read: [await response.text(), response.bodyUsed, await outcome(() => response.text())],
      cloned: await outcome(() => response.clone().status),
      forms: [
        await new Response('{"a":1}').json(),
        await outcome(() => new Response("{").json()),
        (await new Response("ab").arrayBuffer()).byteLength,
        (await new Response("ab").bytes()).length,
        (await new Response("ab").blob()).type,
        (await Response.json(1).blob()).type,
        (await new Response(new URLSearchParams("a=1")).formData()).get("a"),
      ],
      null: [new Response(null).body, new Response().body, await new Response(null).text()],
    };
    return Response.json(seen);
  }),
  "a stream that breaks off": answers(
    () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue("first");
            await Bun.sleep(50);
            controller.error(new Error("broken"));
          },
        }),
      ),
  ),
  "a thrown Error": fails(() => {
    throw new Error("of the handler");
  }),
  "a rejected promise": fails(() => Promise.reject(new Error("of the handler"))),
  "a thrown text": fails(() => {
    throw "text";
  }),
  "thrown null": fails(() => Promise.reject(null)),
  "thrown undefined": fails(async () => {
    throw undefined;
  }),
  "a frozen error": fails(() => {
    throw Object.freeze(new TypeError("frozen"));
  }),
  "an error that throws when looked at": fails(() => {
    throw Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("in a getter");
      },
    });
  }),
  "a thrown object without prototype": fails(() => {
    throw Object.create(null);
  }),
  "a response that was used": fails(async () => {
    const response = new Response("a");
    await response.text();
    return response;
  }),
};
