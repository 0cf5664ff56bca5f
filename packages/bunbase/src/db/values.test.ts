/** What goes in comes out, on each database and over the worker's channel. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { serveChannel } from "../../test/channel.ts";
import { startDatabases, type TestDatabases } from "../../test/databases.ts";
import { channelExecutor } from "./channel-executor.ts";
import { createDB } from "./client.ts";
import { bunSqliteExecutor } from "./sqlite-executor.ts";

const BIG = 9_007_199_254_740_993n;
let databases: TestDatabases;
let channel: ReturnType<typeof serveChannel>;
beforeAll(async () => {
  databases = await startDatabases();
  channel = serveChannel(bunSqliteExecutor(":memory:"));
  databases.each.push({ name: "channel", executor: channelExecutor() });
});
afterAll(async () => {
  channel.close();
  await databases.stop();
});

test("values of every type come back as they went", async () => {
  for (const { name, executor } of databases.each) {
    const db = createDB(executor);
    const postgres = name === "postgres";
    const types = postgres
      ? "i BIGINT, big BIGINT, r DOUBLE PRECISION, b BOOLEAN, at TIMESTAMPTZ, by BYTEA, j JSONB, n NUMERIC"
      : "i INTEGER, big INTEGER, r REAL, b INTEGER, at INTEGER, by BLOB, j TEXT, n NUMERIC";
    await db.executor.query(`CREATE TABLE v (id TEXT, ${types})`);
    const at = new Date(1_700_000_000_123);
    const bytes = new Uint8Array([0, 255, 7]);
    const given = {
      id: "é\u{1f600}",
      i: 5,
      big: BIG,
      r: 1.5,
      b: true,
      at,
      by: bytes,
      j: { a: [1] },
      n: 1.25,
    };
    await db.from("v").insert(given);
    const stored = postgres ? {} : { b: 1, at: at.getTime(), j: '{"a":[1]}' };
    expect(await db.from("v").single()).toEqual({ ...given, ...stored });
    expect(await db.from("v").eq("big", BIG).eq("by", bytes).eq("at", at).count()).toBe(1);
    await db.from("v").insert({ id: null });
    expect((await db.from("v").isNull("id").single()).big).toBeNull();
    expect(() => db.from("v").eq("i", undefined)).toThrow();
    const missing = (executor.query("SELECT 1 WHERE 1 = 0") as Promise<unknown>).then(() => "fine");
    expect(await missing).toBe("fine");
  }
});

test("over the channel a transaction is begun, kept and undone, with savepoints inside", async () => {
  const db = createDB(channelExecutor());
  await db.executor.query("CREATE TABLE t (x INTEGER PRIMARY KEY)");
  await db.transaction(async (tx) => {
    await tx.from("t").insert([{ x: 1 }]);
    await tx.transaction(() => Promise.reject(new Error("inner"))).catch(() => undefined);
    await tx.from("t").insert({ x: 2 });
  });
  const undone = db.transaction(async (tx) => {
    await tx.from("t").insert({ x: 3 });
    throw new Error("outer");
  });
  await expect(undone).rejects.toThrow("outer");
  expect(await db.from("t").select("x").orderBy("x")).toEqual([{ x: 1 }, { x: 2 }]);
  const taken = db.from("t").insert({ x: 1 });
  const sqlCode = "SQLITE_CONSTRAINT_PRIMARYKEY";
  await expect(taken.exec()).rejects.toMatchObject({ code: "conflict", statusCode: 409, sqlCode });
  const results = await db.executor.batch([
    { sql: "INSERT INTO t VALUES (?1)", params: [7] },
    { sql: "SELECT count(*) FROM t", params: [] },
  ]);
  expect(results[1]?.rows).toEqual([[3]]);
});

test("a statement beside an open SQLite transaction waits, and is no part of it", async () => {
  const executor = bunSqliteExecutor(":memory:");
  const db = createDB(executor);
  await executor.query("CREATE TABLE t (x INTEGER)");
  let beside: Promise<unknown> | undefined;
  const undone = db.transaction(async (tx) => {
    beside = db.from("t").insert({ x: 2 }).exec();
    await tx.from("t").insert({ x: 1 });
    throw new Error("undone");
  });
  await expect(undone).rejects.toThrow("undone");
  await beside;
  expect(await db.from("t")).toEqual([{ x: 2 }]);
});

test("changes are the rows of the statement, without those that went with them", async () => {
  for (const { executor } of databases.each) {
    const one = async (sql: string) => (await executor.query(sql)).changes;
    await executor.query("CREATE TABLE a (id INTEGER PRIMARY KEY)");
    await executor.query("CREATE TABLE b (a INTEGER REFERENCES a (id) ON DELETE CASCADE)");
    expect(await one("INSERT INTO a VALUES (1), (2)")).toBe(2);
    expect(await one("INSERT INTO b VALUES (1), (1), (2)")).toBe(3);
    expect(await one("SELECT * FROM a")).toBe(0);
    expect(await one("DELETE FROM a WHERE id = 1")).toBe(1);
    expect(await one("UPDATE b SET a = NULL WHERE a = 9")).toBe(0);
  }
});

test("a policy of PostgreSQL sees the session, and only inside it", async () => {
  const postgres = databases.each.find(({ name }) => name === "postgres");
  if (postgres === undefined) return;
  const { executor } = postgres;
  for (const sql of [
    "CREATE ROLE reader LOGIN",
    "CREATE TABLE notes (owner TEXT, text TEXT)",
    "INSERT INTO notes VALUES ('u1', 'mine'), ('u2', 'theirs')",
    "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON notes USING (owner = current_setting('app.current_user_id', true))",
    "GRANT ALL ON notes TO reader",
  ])
    await executor.query(sql);
  const db = createDB(databases.connect("reader"));
  expect(await db.from("notes")).toEqual([]);
  const seen = await db.withSession({ userId: "u1" }, (tx) => tx.from("notes"));
  expect(seen).toEqual([{ owner: "u1", text: "mine" }]);
  const one = await db.from("notes").single({ session: { userId: "u2" } });
  expect(one.text).toBe("theirs");
  expect(await db.from("notes")).toEqual([]);
  const sqlite = createDB(bunSqliteExecutor(":memory:"));
  expect(() => sqlite.withSession({ userId: "u1" }, async () => 1)).toThrow("row-level security");
});
