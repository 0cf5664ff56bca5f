import { expect, test } from "bun:test";
import { type AnyAction, action, module } from "../action.ts";
import { type ActionContext, guards, http, t, triggers, withMeta } from "../index.ts";
import { application } from "../runtime.ts";
import { CONTEXT_HEADER, type WireContext } from "./wire.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const config = { auth: { sessionSecret: SECRET } };

const wire = (more: Partial<WireContext> = {}): WireContext => ({
  trigger: "api",
  index: 0,
  trace_id: "trace",
  invocation_id: "inv",
  auth: null,
  org: null,
  guards: 0,
  body: "json",
  ...more,
});

function request(context: WireContext, init: RequestInit = {}): Request {
  const headers = new Headers(init.headers);
  headers.set(CONTEXT_HEADER, JSON.stringify(context));
  return new Request("http://app.test/api/x", { method: "POST", ...init, headers });
}

const echo = action(
  {
    name: "echo",
    description: "Says it again",
    input: t.Object({ text: t.String(), times: t.Integer({ default: 2 }) }),
    output: t.Object({ said: t.String() }),
    triggers: [triggers.api("POST", "/echo"), triggers.tool({ name: "echo", description: "d" })],
  },
  async (input) => ({ said: input.text.repeat(input.times) }),
);

function run(definition: AnyAction, context: Partial<WireContext>, init?: RequestInit) {
  const app = application({
    config,
    modules: [],
    actions: [["src/a.ts", { default: definition }]],
  });
  const handler = app.handlers[definition.config.name];
  return (handler as (request: Request) => Promise<Response>)(request(wire(context), init));
}

test("the manifest says what starts an action, where its fields stand, and keeps no secret but for the server", () => {
  const listed = action(
    {
      name: "list",
      input: t.Object({ id: http.Path(t.String()), limit: t.Optional(http.Query(t.Integer())) }),
      output: t.Object({ tag: http.Header(t.String(), "ETag"), rows: t.Array(t.String()) }),
      triggers: [
        triggers.api("GET", "/:id/"),
        triggers.cron("@daily", { timezone: "Europe/Berlin" }),
      ],
      guards: [guards.hasRole("admin"), () => {}],
    },
    async () => ({ tag: "x", rows: [] }),
  );
  const tasks = module({
    name: "tasks",
    apiPrefix: "/api//tasks/",
    guards: [guards.authenticated()],
    actions: [listed],
  });
  const app = application({
    config,
    modules: [["src/tasks/_module.ts", { default: tasks }]],
    actions: [],
  });
  const [handler] = app.manifest.handlers;
  expect(handler?.triggers).toEqual([
    { kind: "http", methods: ["GET"], path: "/api/tasks/:id" },
    { kind: "cron", schedule: "@daily", timezone: "Europe/Berlin", payload: {} },
  ]);
  expect(handler?.guards).toEqual([
    { name: "authenticated" },
    { name: "hasRole", options: { role: "admin" } },
    { name: "custom" },
  ]);
  expect(handler?.action).toMatchObject({
    module: "tasks",
    input_fields: { id: { in: "path", name: "id" }, limit: { in: "query", name: "limit" } },
    output_fields: { tag: { in: "header", name: "etag" } },
    mapped: [],
  });
  // Still optional, though it is mapped.
  expect(handler?.input.required).toEqual(["id"]);
});

test("what is wrong with an application names the file", () => {
  const build = (parts: object) => () =>
    application({ config, modules: [], actions: [], ...parts } as Parameters<
      typeof application
    >[0]);
  expect(build({ modules: [["src/a/_module.ts", {}]] })).toThrow("src/a/_module.ts");
  const twice = [
    ["src/a.ts", { default: echo }],
    ["src/b.ts", { default: echo }],
  ];
  expect(build({ actions: twice })).toThrow(
    'src/b.ts: the action "echo" is there already, in src/a.ts',
  );
  const other = action({ ...echo.config, name: "other" }, echo.handler);
  expect(
    build({
      actions: [
        ["src/a.ts", { default: echo }],
        ["src/b.ts", { default: other }],
      ],
    }),
  ).toThrow('POST /echo of "other" is taken by "echo"');
  expect(build({ config: { prot: 1 } })).toThrow("did you mean `port`?");
  expect(build({ config: { auth: { sessionSecret: "short" } } })).toThrow("32 characters");
});

test("input that was checked is not checked again, other input is, with its defaults", async () => {
  const checked = await run(echo, { checked: true }, { body: '{"text":"a","times":3}' });
  expect(await checked.json()).toEqual({ data: { said: "aaa" } });
  const filled = await run(echo, { input: { text: "a" } });
  expect(await filled.json()).toEqual({ data: { said: "aa" } });
  const wrong = await run(echo, {}, { body: '{"text":5}' });
  expect(wrong.status).toBe(400);
  const { error } = (await wrong.json()) as {
    error: { code: string; details: { path: string }[] };
  };
  expect(error.code).toBe("invalid_input");
  expect(error.details.map(({ path }) => path)).toContain("/text");
  expect((await run(echo, {}, { body: "{" })).status).toBe(400);
});

test("output is checked before it goes out, and what nobody foresaw is not told in production", async () => {
  const output = t.Object({ n: t.Number() });
  const wrong = action(
    { name: "wrong", input: t.Object({}), output },
    async () => ({ n: "x" }) as never,
  );
  const answered = await run(wrong, { input: {} });
  expect([
    answered.status,
    ((await answered.json()) as { error: { code: string } }).error.code,
  ]).toEqual([500, "invalid_output"]);
  const thrown = action({ name: "thrown", input: t.Object({}), output }, async () => {
    throw new Error("the password is swordfish");
  });
  process.env.NODE_ENV = "production";
  const hidden = await (await run(thrown, { input: {} })).text();
  process.env.NODE_ENV = "test";
  expect(hidden).not.toContain("swordfish");
  expect(hidden).toContain('"code":"handler_error"');
});

test("status, headers and cookies go beside the data, and a session to the server alone", async () => {
  const made = action(
    {
      name: "made",
      input: t.Object({}),
      output: t.Object({ id: t.String(), tag: http.Header(t.String(), "ETag") }),
    },
    async (_input, ctx) => {
      ctx.response.setCookie("theme", "därk", { maxAge: 0 });
      ctx.auth.createSession({ userId: "ü1" });
      return withMeta({ id: "1", tag: '"v1"' }, { http: { status: 201 } });
    },
  );
  const answered = await run(made, { input: {} });
  expect(answered.status).toBe(201);
  expect(await answered.json()).toEqual({ data: { id: "1" } });
  expect(answered.headers.get("etag")).toBe('"v1"');
  expect(answered.headers.getSetCookie()).toEqual([
    "theme=d%C3%A4rk; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
  ]);
  expect(JSON.parse(answered.headers.get("x-bunbase-session") ?? "")).toEqual([
    { op: "create", payload: { userId: "ü1" } },
  ]);
});

test("nobody is signed in by an application that has nothing to sign with", async () => {
  const login = action({ name: "login", input: t.Object({}), output: t.Any() }, async (_, ctx) => {
    ctx.auth.createSession({ userId: "u1" });
    return {};
  });
  const app = application({
    config: {},
    modules: [],
    actions: [["src/login.ts", { default: login }]],
  });
  const answered = await app.handlers.login?.(request(wire({ input: {} })));
  expect(answered?.status).toBe(500);
  expect(await answered?.json()).toMatchObject({
    error: { message: "sessions need `auth.sessionSecret` in the configuration" },
  });
});

test("streams, files and events go out as they are", async () => {
  const output = t.Any();
  const sse = action({ name: "sse", input: t.Object({}), output }, async function* () {
    yield { n: 1 };
    yield { n: 2 };
  } as never);
  const events = await run(sse, { input: {} });
  expect(events.headers.get("content-type")).toBe("text/event-stream");
  expect(await events.text()).toBe('data: {"n":1}\n\ndata: {"n":2}\n\n');
  const file = action(
    { name: "file", input: t.Object({}), output },
    async () => new Blob(["abc"], { type: "text/plain" }),
  );
  expect(await (await run(file, { input: {} })).text()).toBe("abc");
});

test("handlers are tried again where it may help, and no more often than they say", async () => {
  let attempts = 0;
  const retry = { maxAttempts: 3, backoffMs: 1 };
  const flaky = action(
    { name: "flaky", input: t.Object({}), output: t.Object({ n: t.Number() }), retry },
    async () => {
      attempts += 1;
      if (attempts < 3) throw new Error("not yet");
      return { n: attempts };
    },
  );
  expect(await (await run(flaky, { input: {} })).json()).toEqual({ data: { n: 3 } });
});

test("guards of the application run in their order, in parallel where they say so, and decide", async () => {
  const order: string[] = [];
  const slow = async () => {
    await Bun.sleep(5);
    order.push("slow");
  };
  const guard = (name: string) => () => {
    order.push(name);
  };
  const guarded = action(
    {
      name: "guarded",
      input: t.Object({}),
      output: t.Object({}),
      guards: [guard("first"), guards.parallel([slow, guard("quick")]), guard("last")],
    },
    async () => ({}),
  );
  expect((await run(guarded, { input: {} })).status).toBe(200);
  expect(order).toEqual(["first", "quick", "slow", "last"]);
});

test("an action calls another, and never itself", async () => {
  const inner = action(
    { name: "inner", input: t.Object({ n: t.Number() }), output: t.Object({ n: t.Number() }) },
    async ({ n }) => ({ n: n + 1 }),
  );
  const outer = action(
    { name: "outer", input: t.Object({}), output: t.Any() },
    async (_input, ctx) => ctx.action("inner", { n: 1 }),
  );
  const round = action(
    { name: "round", input: t.Object({}), output: t.Any() },
    async (_input, ctx) => ctx.action("round", {}),
  );
  const actions = [inner, outer, round].map(
    (each) => [`src/${each.config.name}.ts`, { default: each }] as const,
  );
  const app = application({ config, modules: [], actions });
  const answer = await app.handlers.outer?.(request(wire({ input: {} })));
  expect(await answer?.json()).toEqual({ data: { n: 2 } });
  const circle = await app.handlers.round?.(request(wire({ input: {} })));
  expect(await circle?.json()).toMatchObject({ error: { code: "circular_call" } });
});

test("a form brings files and texts as the schema wants them; what stands elsewhere is not taken from it", async () => {
  const upload = action(
    {
      name: "upload",
      input: t.Object({ id: http.Path(t.String()), count: t.Integer(), file: t.Any() }),
      output: t.Any(),
      triggers: [triggers.api("POST", "/:id")],
    },
    async ({ id, count, file }) => ({ id, count, name: file.filename, size: file.size }),
  );
  const form = new FormData();
  form.set("count", "3");
  form.set("id", "forged");
  form.set("file", new File(["hello"], "a.txt"));
  const answered = await run(upload, { body: "raw", fields: { id: "7" } }, { body: form });
  expect(await answered.json()).toEqual({ data: { id: "7", count: 3, name: "a.txt", size: 5 } });
});

test("an application may have its guards run at once, and then none waits for another", async () => {
  const [gate, open] = [Promise.withResolvers<void>(), () => gate.resolve()];
  const guarded = action(
    {
      name: "guarded",
      input: t.Object({}),
      output: t.Object({}),
      guards: [() => gate.promise, open],
    },
    async () => ({}),
  );
  const app = application({
    config: { ...config, guards: { defaultMode: "parallel" } },
    modules: [],
    actions: [["src/a.ts", { default: guarded }]],
  });
  expect((await app.handlers.guarded?.(request(wire({ input: {} }))))?.status).toBe(200);
});

test("guards that are asked of the server at once leave each other's findings alone", async () => {
  const org = {
    id: "o1",
    slug: "o",
    name: "O",
    plan: "pro",
    features: [],
    memberCount: 1,
    role: "",
  };
  const auth = { userId: "u1", role: "member" };
  const isInOrg = Promise.withResolvers<void>();
  const channel = Symbol.for("bunbase.channel");
  Object.assign(globalThis, {
    [channel]: {
      async fetch({ body }: { body: string }) {
        if (JSON.parse(body).guard.name === "inOrg")
          return Response.json({ auth: { ...auth, orgId: "o1", role: "owner" }, org, headers: {} });
        // Answers last, and knows of no organisation.
        await isInOrg.promise;
        return Response.json({ auth, org: null, headers: { "ratelimit-limit": "5" } });
      },
    },
  });
  const watch = async (ctx: ActionContext) => {
    while (ctx.org === undefined) await new Promise(setImmediate);
    isInOrg.resolve();
  };
  const limit = guards.rateLimit({ limit: 5, windowMs: 1000, key: () => "k" });
  const both = action(
    {
      name: "both",
      input: t.Object({}),
      output: t.Any(),
      guards: [guards.parallel([limit, guards.inOrg(), watch])],
    },
    async (_input, ctx) => ({ org: ctx.org?.id, role: ctx.auth.role, orgId: ctx.auth.orgId }),
  );
  const answered = await run(both, { input: {}, auth });
  Reflect.deleteProperty(globalThis, channel);
  expect(await answered.json()).toEqual({ data: { org: "o1", role: "owner", orgId: "o1" } });
  expect(answered.headers.get("ratelimit-limit")).toBe("5");
});

test("defaults that another action fills in do not change what it was given", async () => {
  const given = { text: "a" };
  const caller = action(
    { name: "caller", input: t.Object({}), output: t.Any() },
    async (_input, ctx) => {
      await ctx.action("echo", given);
      return given;
    },
  );
  const actions = [caller, echo].map(
    (each) => [`src/${each.config.name}.ts`, { default: each }] as const,
  );
  const app = application({ config, modules: [], actions });
  const answer = await app.handlers.caller?.(request(wire({ input: {} })));
  expect(await answer?.json()).toEqual({ data: { text: "a" } });
});
