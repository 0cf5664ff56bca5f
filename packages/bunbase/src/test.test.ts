import { expect, test } from "bun:test";
import { action } from "./action.ts";
import { bunSqliteExecutor, createDB } from "./db.ts";
import { Forbidden } from "./errors.ts";
import * as everything from "./index.ts";
import { t } from "./index.ts";
import { createTestClient, createTestServer, testAction, withTestTransaction } from "./test.ts";

const greet = action(
  {
    name: "greet",
    input: t.Object({ name: t.String() }),
    output: t.Object({ text: t.String() }),
    guards: [
      (ctx) => {
        if (ctx.auth.userId === undefined) throw new Forbidden();
      },
    ],
  },
  async ({ name }, ctx) => ({ text: `${name}, from ${ctx.auth.userId}` }),
);

test("an action runs without a server, with its guards and schemas", async () => {
  const auth = { userId: "ada" };
  const done = await testAction(greet, { name: "Bob" }, { auth });
  expect(done).toEqual({
    success: true,
    data: { text: "Bob, from ada" },
    runs: [{ action: "greet", success: true }],
  });
  expect(await testAction(greet, { name: "Bob" })).toMatchObject({
    success: false,
    error: "Forbidden",
  });
  const wrong = await testAction(greet, { name: 1 }, { auth });
  expect(wrong.error).toContain("/name");
});

test("a test server answers as the action does", async () => {
  const server = createTestServer([greet], { auth: { userId: "ada" } });
  const client = createTestClient(server);
  expect(await client.call<{ text: string }>("greet", { name: "Eve" })).toEqual({
    text: "Eve, from ada",
  });
  expect(client.call("greet", {})).rejects.toThrow("/name");
  await server.stop();
});

test("what a test writes is taken back", async () => {
  const db = createDB(bunSqliteExecutor(":memory:"));
  await db.sql`CREATE TABLE things (id TEXT)`;
  const count = (client: typeof db) => client.sql<{ n: number }>`SELECT count(*) AS n FROM things`;
  const [inside] = await withTestTransaction(db, async (tx) => {
    await tx.sql`INSERT INTO things VALUES ('a')`;
    return count(tx);
  });
  expect([inside?.n, (await count(db))[0]?.n]).toEqual([1, 0]);
});

test("what runs actions is not for people to import", () => {
  const inner = [
    "BunbaseServer",
    "ActionRegistry",
    "loadActions",
    "WriteBuffer",
    "Scheduler",
    "McpService",
  ];
  expect(Object.keys(everything).filter((name) => inner.includes(name))).toEqual([]);
  const wanted = [
    "action",
    "module",
    "triggers",
    "guards",
    "t",
    "http",
    "withMeta",
    "defineConfig",
    "createDB",
  ];
  expect(wanted.filter((name) => !(name in everything))).toEqual([]);
});
