// Applications of three frameworks, as their users write them.

import { initTRPC, TRPCError, tracked } from "@trpc/server";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { Elysia, t } from "elysia";
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { bodyLimit } from "hono/body-limit";
import { compress } from "hono/compress";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import { stream, streamSSE } from "hono/streaming";
import { answers, type Case, type Cases, type Sent } from "./case.ts";

const JSON_TYPE = ["content-type", "application/json"] as const;
const FORM_TYPE = ["content-type", "application/x-www-form-urlencoded"] as const;
const MULTIPART: Sent = {
  method: "POST",
  headers: [["content-type", "multipart/form-data; boundary=xyz"]],
  body: [
    '--xyz\r\ncontent-disposition: form-data; name="name"\r\n\r\nAda\r\n',
    '--xyz\r\ncontent-disposition: form-data; name="file"; filename="b.txt"\r\n',
    "content-type: text/plain\r\n\r\nof the file\r\n--xyz--\r\n",
  ].join(""),
};
const LARGE = JSON.stringify({ name: "grüße ".repeat(60_000) });

/** An application that stands at `/`, below the name of its case. */
function mounted(fetch: (request: Request) => unknown, ...sent: Sent[]): Case {
  return answers(
    (request) => {
      const url = new URL(request.url);
      url.pathname = url.pathname.split("/").slice(2).join("/");
      return fetch(new Request(url, request));
    },
    ...sent,
  );
}

const hono = new Hono()
  .basePath("/hono")
  .use(secureHeaders(), cors({ origin: "http://a.example", credentials: true }))
  .get("/", (c) => c.text("root"))
  .get("/users/:id", (c) =>
    c.json({ id: c.req.param("id"), query: c.req.query(), all: c.req.queries("q") }),
  )
  .post("/json", async (c) => c.json(await c.req.json(), 201))
  .post("/form", async (c) => {
    const { name, file } = await c.req.parseBody();
    return c.json({ name, file: file instanceof File ? [file.name, await file.text()] : null });
  })
  .post("/twice", async (c) => c.json([await c.req.text(), await c.req.json(), c.req.raw.bodyUsed]))
  .get("/cookies", (c) => {
    setCookie(c, "a", "1", { httpOnly: true, path: "/" });
    setCookie(c, "b", "2", { maxAge: 10 });
    deleteCookie(c, "gone");
    return c.json(getCookie(c));
  })
  .get("/etag", etag(), (c) => c.text("the same"))
  .get("/compressed", compress(), (c) => c.text("long ".repeat(1000)))
  .get("/stream", (c) =>
    stream(c, async (out) => {
      await out.write("one ");
      await out.sleep(1);
      await out.write("two");
    }),
  )
  .get("/events", (c) =>
    streamSSE(c, async (out) => {
      await out.writeSSE({ data: "first", event: "tick", id: "1" });
      await out.writeSSE({ data: "second" });
    }),
  )
  .get("/secret", basicAuth({ username: "ada", password: "x" }), (c) => c.text("inside"))
  .post("/limited", bodyLimit({ maxSize: 10 }), async (c) => c.text(await c.req.text()))
  .get("/moved", (c) => c.redirect("/hono/users/1"))
  .get("/raw", (c) => new Response(`raw ${c.req.raw.method}`, { headers: { "x-raw": "1" } }))
  .get("/empty", (c) => c.body(null, 204))
  .get("/headers", (c) => {
    c.header("x-many", "1");
    c.header("x-many", "2", { append: true });
    return c.html("<p>ä</p>");
  })
  .get("/error", () => {
    throw new HTTPException(403, { message: "not you" });
  })
  .get("/broken", () => {
    throw new Error("inside");
  })
  .onError((error, c) =>
    error instanceof HTTPException ? error.getResponse() : c.json({ error: error.message }, 500),
  )
  .notFound((c) => c.json({ missing: c.req.path }, 404));

const elysia = new Elysia({ prefix: "/elysia" })
  .onError(({ code, set }) => {
    if (code === "NOT_FOUND") set.status = 404;
    return { code };
  })
  .derive(({ headers }) => ({ agent: headers["user-agent"] ?? "none" }))
  .get("/", "root")
  .get("/users/:id", ({ params, query, agent }) => ({ id: params.id, query, agent }))
  .post("/json", ({ body }) => body, { body: t.Object({ name: t.String() }) })
  .post(
    "/form",
    async ({ body }) => ({ name: body.name, file: [body.file.name, await body.file.text()] }),
    {
      body: t.Object({ name: t.String(), file: t.File() }),
    },
  )
  .post("/urlencoded", ({ body }) => body as Record<string, string>)
  .post("/text", ({ body }) => `got ${body as string}`)
  .get("/cookies", ({ cookie: { a, seen } }) => {
    if (seen !== undefined) seen.value = `was ${String(a?.value)}`;
    if (a !== undefined) a.value = "new";
    return "cookies";
  })
  .get("/status", ({ status }) => status(418, "tea"))
  .get("/moved", ({ redirect }) => redirect("/elysia/users/1"))
  .get("/headers", ({ set, request }) => {
    set.headers["x-own"] = request.method;
    return new Response("own", { headers: { "x-of-response": "1" } });
  })
  .get("/stream", async function* () {
    yield "one ";
    await Bun.sleep(1);
    yield "two";
  })
  .get("/nothing", () => undefined)
  .get("/broken", () => {
    throw new Error("inside");
  });

const trpc = initTRPC.context<{ agent: string | null }>().create({ isDev: false });
const router = trpc.router({
  greet: trpc.procedure
    .input((value) => String(value))
    .query(({ input, ctx }) => `hello ${input}, by ${ctx.agent}`),
  add: trpc.procedure
    .input((value) => value as { a: number; b: number })
    .mutation(({ input }) => ({ sum: input.a + input.b })),
  upload: trpc.procedure
    .input((value) => value as FormData)
    .mutation(({ input }) => [...input.keys()]),
  refuse: trpc.procedure.query(() => {
    throw new TRPCError({ code: "UNAUTHORIZED", message: "who are you" });
  }),
  ticks: trpc.procedure.subscription(async function* () {
    yield tracked("1", "first");
    yield tracked("2", "second");
  }),
});

function trpcFetch(req: Request): Promise<Response> {
  return fetchRequestHandler({
    endpoint: "/trpc",
    req,
    router,
    createContext: ({ req: { headers }, resHeaders }) => {
      resHeaders.append("set-cookie", "a=1");
      resHeaders.append("set-cookie", "b=2");
      return { agent: headers.get("user-agent") };
    },
  });
}

const AGENT = ["user-agent", "conformance"] as const;
const json = (tail: string, body: string): Sent => ({
  method: "POST",
  tail,
  headers: [JSON_TYPE],
  body,
});

export const APPS: Cases = {
  hono: answers(
    (request) => hono.fetch(request),
    ...["", "/", "/users/5?q=1&q=%C3%A4", "/missing", "/etag", "/secret", "/moved"].map((tail) => ({
      tail,
    })),
    ...["/raw", "/empty", "/headers", "/error", "/broken"].map((tail) => ({ tail })),
    { tail: "/", method: "HEAD" },
    {
      tail: "/",
      method: "OPTIONS",
      headers: [
        ["origin", "http://a.example"],
        ["access-control-request-method", "PUT"],
      ],
    },
    json("/json", '{"a":"ä"}'),
    json("/json", LARGE),
    json("/json", "{"),
    json("/twice", '{"a":1}'),
    { ...MULTIPART, tail: "/form" },
    { tail: "/form", method: "POST", headers: [FORM_TYPE], body: "name=Ada+L" },
    { tail: "/cookies", headers: [["cookie", "x=1; y=%20z"]] },
    { tail: "/etag", headers: [["if-none-match", '"f35b07f8b26c55c8aa0a623bd1d79bd4f515a2b9"']] },
    { tail: "/stream", isStreamed: true },
    { tail: "/events", isStreamed: true },
    { tail: "/compressed", headers: [["accept-encoding", "gzip"]], isStreamed: true },
    { tail: "/secret", headers: [["authorization", `Basic ${btoa("ada:x")}`]] },
    { tail: "/limited", method: "POST", body: "short" },
    { tail: "/limited", method: "POST", body: "longer than ten" },
    { tail: "/limited", method: "POST", body: ["longer ", "than ten"] },
  ),
  elysia: answers(
    (request) => elysia.fetch(request),
    ...[
      "",
      "/",
      "/users/5?q=1&r=%C3%A4",
      "/missing",
      "/status",
      "/moved",
      "/headers",
      "/stream",
      "/nothing",
    ].map((tail) => ({ tail, headers: [AGENT] })),
    { tail: "/broken" },
    { tail: "/", method: "HEAD" },
    json("/json", '{"name":"ä"}'),
    json("/json", LARGE),
    json("/json", '{"name":5}'),
    json("/json", "{"),
    { ...MULTIPART, tail: "/form" },
    { tail: "/urlencoded", method: "POST", headers: [FORM_TYPE], body: "a=1&b=2+3" },
    { tail: "/text", method: "POST", headers: [["content-type", "text/plain"]], body: "text" },
    { tail: "/cookies", headers: [["cookie", "a=old; b=2"]] },
  ),
  trpc: answers(
    trpcFetch,
    { tail: `/greet?input=${encodeURIComponent('"Ada"')}`, headers: [AGENT] },
    { tail: `/greet,refuse?batch=1&input=${encodeURIComponent('{"0":"Ada"}')}` },
    {
      tail: `/greet,greet?batch=1&input=${encodeURIComponent('{"0":"Ada","1":"Bob"}')}`,
      headers: [["trpc-accept", "application/jsonl"]],
      isStreamed: true,
    },
    { tail: "/greet?input=%7B" },
    { tail: "/refuse" },
    { tail: "/missing" },
    { tail: "/ticks", headers: [["accept", "text/event-stream"]], isStreamed: true },
    { tail: "/greet", method: "HEAD" },
    json("/add", '{"a":1,"b":2}'),
    json("/add", "{"),
    { ...MULTIPART, tail: "/upload" },
  ),
  "hono below a path": mounted(
    (request) => hono.fetch(request),
    { tail: "/hono/users/5" },
    json("/hono/json", '{"a":1}'),
    json("/hono/json", LARGE),
  ),
  "elysia below a path": mounted(
    (request) => elysia.fetch(request),
    json("/elysia/json", '{"name":"a"}'),
  ),
  "trpc below a path": mounted(trpcFetch, json("/trpc/add", '{"a":1,"b":2}')),
};
