import { expect, test } from "bun:test";
import { frameworkDatabase } from "../test/framework.ts";
import { bunSqliteExecutor, createDB } from "./db.ts";
import {
  action,
  BunbaseError,
  guards,
  http,
  module,
  OrgManager,
  SubscriptionManager,
  t,
  triggers,
  UsersManager,
} from "./index.ts";
import {
  createTestClient,
  createTestServer,
  memoryServices,
  testAction,
  withTestTransaction,
} from "./test.ts";

const double = action(
  {
    name: "double",
    input: t.Object({ n: t.Integer() }),
    output: t.Object({ n: t.Integer() }),
    guards: [guards.hasPermission("numbers:double")],
  },
  async ({ n }) => ({ n: n * 2 }),
);

test("an action is run with its guards, and what it refuses is told", async () => {
  const auth = { userId: "u1", permissions: ["numbers:*"] };
  const ran = await testAction(double, { n: 2 }, { auth });
  expect(ran.data).toEqual({ n: 4 });
  expect(ran.runs).toMatchObject([{ action_name: "double", status: "success", attempt: 1 }]);
  const statusOf = async (input: { n: number }, identity: typeof auth | null) => {
    const { success, errorObject } = await testAction(double, input, { auth: identity });
    expect(success).toBe(false);
    return (errorObject as BunbaseError).statusCode;
  };
  expect(await statusOf({ n: 2 }, null)).toBe(401);
  expect(await statusOf({ n: 2 }, { userId: "u1", permissions: ["numbers:halve"] })).toBe(403);
  expect(await statusOf({ n: 0.5 }, auth)).toBe(400);
});

test("attempts of a run are counted, and its services can be looked at", async () => {
  const services = memoryServices();
  let failures = 2;
  const flaky = action(
    {
      name: "flaky",
      input: t.Object({}),
      output: t.Object({}),
      retry: { maxAttempts: 3, backoffMs: 1 },
    },
    async (_input, ctx) => {
      if (failures-- > 0) throw new Error("not yet");
      await ctx.queue.push("emails", { to: "a@b.c" }, { uniqueKey: "a" });
      await ctx.queue.push("emails", { to: "a@b.c" }, { uniqueKey: "a" });
      await ctx.channel("room").publish("said", { text: "hi" });
      await ctx.kv.set("seen", { n: 1 }, { ttl: 60 });
      return {};
    },
  );
  const { runs } = await testAction(flaky, {}, { services });
  expect(runs).toMatchObject([{ status: "success", attempt: 3, max_attempts: 3 }]);
  expect(services.jobs).toMatchObject([{ name: "emails", data: { to: "a@b.c" } }]);
  expect(services.events).toEqual([
    { name: "channel.room", payload: { event: "said", payload: { text: "hi" } } },
  ]);
  expect(await services.kv.get<object>("seen")).toEqual({ n: 1 });
});

test("limits, organisations and plans are decided as a server does", async () => {
  const db = createDB(await frameworkDatabase());
  const user = await new UsersManager(db).create({ email: "a@b.c" });
  const org = await new OrgManager(db).create(user.id, "Acme", "acme");
  const guarded = (guard: ReturnType<typeof guards.inOrg>) =>
    action(
      {
        name: "guarded",
        input: t.Object({}),
        output: t.Any(),
        guards: [guards.inOrg(), guard],
      },
      async (_input, ctx) => ({ plan: ctx.org?.plan, role: ctx.auth.role }),
    );
  const run = (guard: ReturnType<typeof guards.inOrg>) =>
    testAction(
      guarded(guard),
      {},
      { db, auth: { userId: user.id }, headers: { "x-org-id": org.id } },
    );
  expect((await run(guards.hasRole("owner"))).data).toEqual({ plan: "free", role: "owner" });
  expect((await run(guards.hasPermission("org:delete"))).success).toBe(true);
  expect((await run(guards.trialActiveOrPaid())).error).toContain("upgrade required");
  await new SubscriptionManager(db).create(org.id, "pro", { trialDays: 3 });
  expect((await run(guards.trialActiveOrPaid())).data).toMatchObject({ plan: "pro" });
});

const session = module({
  name: "session",
  apiPrefix: "/auth",
  actions: [
    action(
      {
        name: "login",
        input: t.Object({ userId: t.String() }),
        output: t.Object({}),
        triggers: [triggers.api("POST", "/login")],
        guards: [guards.rateLimit({ limit: 3, windowMs: 60_000 })],
      },
      async ({ userId }, ctx) => {
        ctx.auth.createSession({ userId });
        return {};
      },
    ),
    action(
      {
        name: "me",
        input: t.Object({}),
        output: t.Object({ id: t.String() }),
        triggers: [triggers.api("GET", "/me")],
        guards: [guards.authenticated()],
      },
      async (_input, ctx) => ({ id: ctx.auth.userId ?? "" }),
    ),
    action(
      {
        name: "logout",
        input: t.Object({}),
        output: t.Object({}),
        triggers: [triggers.api("POST", "/logout")],
      },
      async (_input, ctx) => {
        ctx.auth.logout();
        return {};
      },
    ),
  ],
});

const search = action(
  {
    name: "search",
    input: t.Object({
      area: http.Path(t.String()),
      limit: t.Optional(http.Query(t.Integer())),
      tags: t.Optional(http.Query(t.Array(t.String()), "tag")),
      key: t.Optional(http.Header(t.String(), "X-Key")),
    }),
    output: t.Any(),
    triggers: [triggers.api("GET", "/search/:area")],
  },
  async (input) => input,
);

test("a server without a server: sessions, routes, and inputs from where they stand", async () => {
  const server = createTestServer({ actions: [session, search] });
  const client = createTestClient(server.url);
  try {
    expect((await client.get("/auth/me")).error?.code).toBe("unauthorized");
    expect((await client.post("/auth/login", { userId: "ü1" })).status).toBe(200);
    expect((await client.get("/auth/me")).data).toEqual({ id: "ü1" });
    const stolen = new Map(client.cookies);
    await client.post("/auth/logout");
    expect(client.cookies.size).toBe(0);
    for (const [name, value] of stolen) client.cookies.set(name, value);
    expect((await client.get("/auth/me")).status).toBe(401);

    const found = await client.get("/search/a%2Fb", {
      query: { limit: 5, tag: "x,y", area: "forged" },
      headers: { "x-key": "k" },
    });
    expect(found.data).toEqual({ area: "a/b", limit: 5, tags: ["x", "y"], key: "k" });
    expect((await client.get("/search/a", { query: { limit: "many" } })).status).toBe(400);
    expect((await client.post("/search/a", {})).status).toBe(405);
    expect((await client.get("/nowhere")).error?.code).toBe("not_found");

    // Nobody is signed in, so that all of them are counted together.
    const login = (userId: string) => createTestClient(server.url).post("/auth/login", { userId });
    await login("u2");
    await login("u3");
    const limited = await login("u4");
    expect([limited.status, limited.error?.code]).toEqual([429, "rate_limited"]);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
  } finally {
    await server.stop();
  }
});

test("forms with files, forms of texts and webhooks reach their actions", async () => {
  const upload = action(
    {
      name: "upload",
      input: t.Object({ title: t.String(), pages: t.Integer(), file: t.Optional(t.Any()) }),
      output: t.Any(),
      triggers: [triggers.api("POST", "/files")],
    },
    async ({ title, pages, file }) => ({ title, pages, size: file?.size }),
  );
  const hook = action(
    {
      name: "hook",
      input: t.Object({ kind: t.String() }),
      output: t.Any(),
      triggers: [
        triggers.webhook("/hook", {
          verify: async (request) => (await request.text()).includes("signed"),
          map: (body) => ({ kind: (body as { type: string }).type }),
        }),
      ],
    },
    async (input) => input,
  );
  const server = createTestServer({ actions: [upload, hook] });
  const client = createTestClient(server.url);
  try {
    const form = new FormData();
    form.set("title", "A");
    form.set("pages", "3");
    form.set("file", new File(["hello"], "a.txt"));
    expect((await client.post("/files", form)).data).toEqual({ title: "A", pages: 3, size: 5 });
    const fields = new URLSearchParams({ title: "B", pages: "4" });
    expect((await client.post("/files", fields)).data).toEqual({ title: "B", pages: 4 });
    expect((await client.post("/hook", { type: "paid", by: "signed" })).data).toEqual({
      kind: "paid",
    });
    expect((await client.post("/hook", { type: "paid" })).status).toBe(401);
  } finally {
    await server.stop();
  }
});

test("whom the test says calls, where there is no session", async () => {
  const server = createTestServer({ actions: [session], auth: { userId: "u9" } });
  const client = createTestClient(server.url);
  expect((await client.get("/auth/me")).data).toEqual({ id: "u9" });
  await client.post("/auth/login", { userId: "u1" });
  expect((await client.get("/auth/me")).data).toEqual({ id: "u1" });
  await server.stop();
});

test("what a test wrote in its transaction is gone, and what it threw is thrown", async () => {
  const executor = bunSqliteExecutor(":memory:");
  executor.script("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)");
  const db = createDB(executor);
  const inside = await withTestTransaction(db, async (tx) => {
    await tx.from("notes").insert({ text: "a" });
    return tx.from("notes").count();
  });
  expect([inside, await db.from("notes").count()]).toEqual([1, 0]);
  const failing = withTestTransaction(db, async () => {
    throw new BunbaseError("no");
  });
  await expect(failing).rejects.toThrow("no");
});
