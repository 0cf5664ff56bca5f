// Cases about the request that a handler is given.

import { answers, type Cases, comparable, lastPart, outcome, type Sent, same } from "./case.ts";

const JSON_TYPE = ["content-type", "application/json"] as const;
const FORM_TYPE = ["content-type", "application/x-www-form-urlencoded"] as const;
const MULTIPART_TYPE = ["content-type", "multipart/form-data; boundary=xyz"] as const;
const POST: Sent = { method: "POST", headers: [JSON_TYPE], body: '{"a":[1,"ä"]}' };
/** Comes in pieces: more than is sent to a worker whole. */
const LARGE = `"${"grüße ".repeat(60_000)}"`;
const MULTIPART = [
  '--xyz\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n',
  '--xyz\r\ncontent-disposition: form-data; name="a"\r\n\r\nä\r\n',
  '--xyz\r\ncontent-disposition: form-data; name="f"; filename="b.txt"\r\n',
  "content-type: text/plain\r\n\r\nof the file\r\n--xyz--\r\n",
].join("");

const READERS = ["text", "json", "arrayBuffer", "bytes", "blob", "formData"] as const;
const BODIES: Sent[] = [
  {},
  POST,
  { method: "POST", body: "" },
  { method: "POST", headers: [JSON_TYPE], body: "{" },
  { method: "POST", body: "\ufeff{}" },
  { method: "POST", body: Uint8Array.of(0x61, 0xff, 0x62) },
  { method: "POST", body: ['["in', ' chunks"]'] },
  { method: "POST", headers: [JSON_TYPE], body: LARGE },
  { method: "POST", headers: [FORM_TYPE], body: "a=1&b=%C3%A4+c&a=2" },
  { method: "POST", headers: [MULTIPART_TYPE], body: MULTIPART },
  { method: "DELETE", body: "of a delete" },
];

async function plain(value: unknown): Promise<unknown> {
  if (value instanceof FormData) {
    return Promise.all([...value].map(async ([name, part]) => [name, await plain(part)]));
  }
  if (value instanceof File) {
    return { name: value.name, type: value.type, text: await value.text() };
  }
  // Its type is that of the request here, and always the same in `Bun.serve`.
  if (value instanceof Blob) return { text: await value.text() };
  if (value instanceof ArrayBuffer || value instanceof Uint8Array) {
    return { kind: value.constructor.name, hex: Buffer.from(value as Uint8Array).toString("hex") };
  }
  return value;
}

function shown(request: Request): Record<string, unknown> {
  const { method, url, redirect, credentials, mode, cache, integrity, keepalive } = request;
  const { referrer, referrerPolicy, destination, bodyUsed } = request;
  const headers = comparable(request.headers);
  const own = { method, url, redirect, credentials, mode, cache, integrity, keepalive };
  return { ...own, referrer, referrerPolicy, destination, bodyUsed, headers };
}

async function collected(stream: ReadableStream<Uint8Array> | null): Promise<string | null> {
  if (stream === null) return null;
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** Whatever is asked of a request, once it was read. */
function afterwards(request: Request): Record<string, () => unknown> {
  return {
    text: () => request.text(),
    json: () => request.json(),
    blob: () => request.blob(),
    clone: () => request.clone().method,
    copy: () => new Request(request).method,
    locked: () => request.body?.locked,
    reader: () => request.body?.getReader().read(),
  };
}

const STREAMS: Record<string, (body: ReadableStream<Uint8Array>) => unknown> = {
  iterated: collected,
  read: async (body) => {
    const reader = body.getReader();
    const parts: Uint8Array[] = [];
    for (let step = await reader.read(); !step.done; step = await reader.read())
      parts.push(step.value);
    return Buffer.concat(parts).toString();
  },
  teed: (body) => Promise.all(body.tee().map(collected)),
  piped: (body) =>
    collected(body.pipeThrough(new CompressionStream("gzip") as never)).then((text) => text !== ""),
  blob: (body) => Bun.readableStreamToText(body),
  response: (body) => new Response(body).text(),
  cancelled: (body) => body.cancel("enough").then(() => "cancelled"),
};

/** How far the call that its caller leaves has come. */
const left = { begun: false, aborted: false, reason: "" };

export const REQUESTS: Cases = {
  "a call to leave": {
    sent: [],
    compared: "status",
    handler: ({ signal }) => {
      left.begun = true;
      signal.addEventListener("abort", () => {
        left.aborted = true;
        left.reason = (signal.reason as Error).name;
      });
      return new Promise(() => undefined);
    },
  },
  "a call that was left": { sent: [], compared: "answer", handler: () => Response.json(left) },
  "parts of a request": answers(
    (request) => Response.json(shown(request)),
    { tail: "/a/b?c=d&e" },
    { tail: "/%7Euser/a%20b/./c//d?x=%zz&y[]=1&q=%22", headers: [["accept", "text/html"]] },
    { tail: "/a+b;c=d,(e)'f?'g'=h|i\\j" },
    ...["POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => ({ method, body: "x" })),
    { method: "POST" },
    { method: "HEAD" },
  ),
  "headers of a request": answers(
    ({ headers }) =>
      Response.json({
        entries: comparable(headers),
        keys: comparable(headers).map(([name]) => name),
        repeated: headers.get("x-a"),
        accept: headers.get("Accept"),
        cookie: headers.get("cookie"),
        missing: headers.get("x-none"),
        has: headers.has("X-EMPTY"),
        empty: headers.get("x-empty"),
        latin: [...(headers.get("x-latin") ?? "")].map((letter) => letter.charCodeAt(0)),
        json: comparable(Object.entries(headers.toJSON() as Record<string, string>)).sort(),
      }),
    {
      headers: [
        ["X-Z", "last"],
        ["X-A", "1"],
        ["Accept", "text/html"],
        ["X-A", "2"],
        ["Accept", "*/*"],
        ["Cookie", "a=1"],
        ["Cookie", "b=2"],
        ["X-Empty", ""],
        ["X-Latin", "é\u00ff"],
        ["X-Spaces", "  a  b  "],
        ["User-Agent", "conformance"],
      ],
    },
  ),
  "changed headers": answers(
    async (request) => {
      request.headers.set("x-new", "1");
      request.headers.append("x-a", "2");
      request.headers.delete("x-gone");
      const clone = request.clone();
      const copy = new Request(request);
      return Response.json([request, clone, copy].map(({ headers }) => comparable(headers)));
    },
    {
      headers: [
        ["x-a", "1"],
        ["x-gone", "1"],
      ],
    },
  ),
  "a body, read": answers(
    async (request) => {
      const reader = lastPart(request) as (typeof READERS)[number];
      const before = request.bodyUsed;
      const value = await outcome(async () => plain(await request[reader]()));
      const again = await outcome(async () => plain(await request[reader]()));
      return Response.json({ value, before, after: request.bodyUsed, again });
    },
    ...READERS.flatMap((reader) => BODIES.map((sent) => ({ ...sent, tail: `/${reader}` }))),
  ),
  "a broken form": answers(
    async (request) => Response.json(typeof (await outcome(() => request.formData()))),
    { method: "POST", headers: [MULTIPART_TYPE], body: MULTIPART.slice(0, -9) },
    { method: "POST", headers: [JSON_TYPE], body: MULTIPART },
  ),
  "a body as a stream": answers(
    async (request) => {
      const use = STREAMS[lastPart(request)] as (body: ReadableStream<Uint8Array>) => unknown;
      const { body } = request;
      const same = body === request.body;
      if (body === null) return Response.json({ same, body });
      const value = await outcome(() => use(body));
      return Response.json({
        same,
        value,
        used: request.bodyUsed,
        again: await outcome(() => request.text()),
      });
    },
    ...Object.keys(STREAMS).flatMap((name) =>
      [{}, POST, { method: "POST", body: ["a", "b"] }, { method: "POST", body: LARGE }].map(
        (sent) => ({
          ...sent,
          tail: `/${name}`,
        }),
      ),
    ),
  ),
  "a body that was read": answers(
    async (request) => {
      await request.text();
      const use = afterwards(request)[lastPart(request)] as () => unknown;
      return Response.json({
        used: request.bodyUsed,
        value: await outcome(async () => plain(await use())),
      });
    },
    ...Object.keys(afterwards(new Request("http://a/"))).flatMap((name) =>
      [{}, POST].map((sent) => ({ ...sent, tail: `/${name}` })),
    ),
  ),
  "a clone": answers(
    async (request) => {
      const clone = request.clone();
      const texts = [await clone.text(), await request.text()];
      return Response.json({ texts, clone: shown(clone), request: shown(request) });
    },
    {},
    POST,
    { ...POST, body: LARGE },
    { ...POST, body: ['"in', ' chunks"'] },
  ),
  "new Request(request)": answers(
    async (request) => {
      const before = shown(request);
      const copy = new Request(request);
      const used = request.bodyUsed;
      return Response.json({ before, copy: shown(copy), used, text: await copy.text() });
    },
    {},
    POST,
    { ...POST, body: LARGE },
  ),
  "new Request(request, init)": answers(
    async (request) => {
      const copy = new Request(request, {
        method: "PUT",
        headers: { "x-only": "1" },
        body: "other",
        redirect: "manual",
      });
      return Response.json([shown(copy), await copy.text(), await outcome(() => request.text())]);
    },
    {},
    POST,
  ),
  "new Request(url, request)": answers(
    async (request) => {
      const copy = new Request("http://other/path", request);
      return Response.json([shown(copy), await copy.text()]);
    },
    {},
    POST,
    { ...POST, body: LARGE },
  ),
  "a class that extends Request": answers(
    async (request) => {
      class Own extends Request {
        readonly extra = 1;
        shout() {
          return this.method.toLowerCase();
        }
      }
      const own = new Own(request);
      const kinds = [own instanceof Own, own instanceof Request, own.extra, own.shout()];
      return Response.json([kinds, shown(own), await own.clone().text(), await own.text()]);
    },
    POST,
    {},
  ),
  "what a request is": answers((request) => {
    const seen: Record<string, unknown> = {
      instances: [request instanceof Request, request.headers instanceof Headers],
      signal: [
        request.signal instanceof AbortSignal,
        same(() => request.signal),
        request.signal.aborted,
      ],
      tag: Object.prototype.toString.call(request),
      symbol: (request as unknown as Record<symbol, unknown>)[Symbol.toStringTag],
      constructor: [
        request.constructor === Request,
        request.constructor.name,
        Request.name,
        Request.length,
      ],
      text: String(request),
      keys: Object.keys(request),
      names: Object.getOwnPropertyNames(request),
      json: JSON.stringify(request),
      spread: { ...request },
      type: typeof request,
      has: ["url", "headers", "body", "json", "bytes", "clone", "nothing"].map(
        (name) => name in request,
      ),
      same: same(() => request.headers),
      prototype: Object.getPrototypeOf(Request.prototype) === Object.prototype,
      inspected: Bun.inspect(request).startsWith("Request ("),
    };
    return Response.json(seen);
  }, POST),
  "properties that are set": answers(async (request) => {
    const own = request as unknown as Record<string, unknown>;
    own.user = { name: "Ada" };
    const seen = {
      user: own.user,
      keys: Object.keys(own),
      method: await outcome(() => {
        own.method = "PUT";
      }),
      url: await outcome(() => {
        own.url = "http://x/";
      }),
      after: request.method,
      define: await outcome(() => {
        Object.defineProperty(request, "url", { value: "http://defined/" });
        return request.url;
      }),
    };
    return Response.json(seen);
  }),
  "a proxy around a request": answers(async (request) => {
    const proxy = new Proxy(request, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return Response.json([
      proxy.method,
      proxy instanceof Request,
      shown(proxy),
      await proxy.text(),
    ]);
  }, POST),
  "structuredClone of a request": answers(async (request) => {
    const clone = await outcome(() => structuredClone(request));
    return Response.json([typeof clone, await outcome(() => structuredClone([request.method]))]);
  }),
};
