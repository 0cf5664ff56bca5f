/** Generated types are those of the tables, and the compiler takes them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDatabases, type TestDatabases } from "../../test/databases.ts";
import { frameworkDatabase, migration } from "../../test/framework.ts";
import { bunSqliteExecutor } from "./sqlite-executor.ts";
import { generateTypes, renderTables } from "./typegen.ts";

const PACKAGE = join(import.meta.dir, "../..");
const ROOT = join(PACKAGE, "../..");

let databases: TestDatabases;
beforeAll(async () => {
  databases = await startDatabases();
});
afterAll(() => databases.stop());

test("the framework's tables have the types that the services use", async () => {
  const tables = await renderTables(await frameworkDatabase());
  const path = join(import.meta.dir, "framework-tables.ts");
  const written = await Bun.file(path).text();
  const head = written.slice(0, written.indexOf("{") + 1);
  const wanted = `${head}\n${tables.replace(/^(?=.)/gm, "  ")}\n}\n`;
  if (process.env.BUNBASE_UPDATE !== undefined) await Bun.write(path, wanted);
  expect(await Bun.file(path).text()).toBe(wanted);
});

test("PostgreSQL has the framework's tables of SQLite, with its own types", async () => {
  const [sqlite, postgres] = await Promise.all([migration("sqlite"), migration("postgres")]);
  const translated = body(sqlite)
    .replaceAll(
      "unixepoch('subsec') * 1000 AS INTEGER",
      "extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT",
    )
    .replaceAll(/\bINTEGER\b/g, "BIGINT")
    .replaceAll(") STRICT;", ");")
    .replace(" COLLATE NOCASE UNIQUE", "");
  const index = "CREATE UNIQUE INDEX users_email ON users (lower(email));\n";
  expect(body(postgres).replace(index, "")).toBe(translated);
  for (const { name, executor } of databases.each) {
    if (name !== "postgres") continue;
    await executor.transaction(async (tx) => {
      const statements = body(postgres)
        .replace(/^\s*--.*$/gm, "")
        .split(/;\n/);
      for (const sql of statements) if (sql.trim() !== "") await tx.query(sql);
    });
    const types = (await renderTables(executor)).replaceAll(/\s+/g, " ");
    const framework = await renderTables(await frameworkDatabase());
    expect(types).toBe(framework.replaceAll(/\s+/g, " "));
  }
});

test("SQLite columns are typed by their declared types", async () => {
  const executor = bunSqliteExecutor(":memory:");
  executor.script(`CREATE TABLE "odd table" (id INTEGER PRIMARY KEY, a VARCHAR(9) NOT NULL, b BOOLEAN, c JSON,
    d DATETIME NOT NULL DEFAULT 0, e BLOB, f REAL, g, h INTEGER GENERATED ALWAYS AS (id + 1));
    CREATE VIEW v AS SELECT 1 x; CREATE TABLE _migrations (name TEXT)`);
  expect((await renderTables(executor)).replaceAll(/\s+/g, " ")).toBe(
    '"odd table": { Row: { id: number; a: string; b: number | null; c: string | null; d: number; ' +
      "e: Uint8Array | null; f: number | null; g: unknown; h: number | null; }; " +
      "Insert: { id?: number | bigint; a: string; b?: boolean | number | null; c?: unknown; " +
      "d?: Date | number; e?: Uint8Array | null; f?: number | null; g?: unknown; }; " +
      "Update: { id?: number | bigint; a?: string; b?: boolean | number | null; c?: unknown; " +
      "d?: Date | number; e?: Uint8Array | null; f?: number | null; g?: unknown; }; };",
  );
});

test("PostgreSQL columns have enums, arrays, domains and identities", async () => {
  const executor = databases.each.find(({ name }) => name === "postgres")?.executor;
  if (executor === undefined) return;
  for (const sql of [
    "CREATE SCHEMA other",
    "CREATE TYPE other.mood AS ENUM ('good', 'it''s \"so\"')",
    "CREATE DOMAIN other.short AS TEXT CHECK (length(VALUE) < 9)",
    `CREATE TABLE other.t (id BIGINT GENERATED ALWAYS AS IDENTITY, m other.mood NOT NULL, ms other.mood[],
       s other.short NOT NULL, j JSONB NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now(), n INT[] NOT NULL)`,
    "CREATE VIEW other.v AS SELECT 1 x",
  ])
    await executor.query(sql);
  const mood = '"good" | "it\'s \\"so\\""';
  expect((await renderTables(executor, { schema: "other" })).replaceAll(/\s+/g, " ")).toBe(
    `t: { Row: { id: number; m: ${mood}; ms: (${mood})[] | null; s: string; j: unknown; at: Date; n: number[]; }; ` +
      `Insert: { m: ${mood}; ms?: (${mood})[] | null; s: string; j: unknown; at?: Date | string; n: number[]; }; ` +
      `Update: { m?: ${mood}; ms?: (${mood})[] | null; s?: string; j?: unknown; at?: Date | string; n?: number[]; }; };`,
  );
});

test("the compiler knows the tables of a generated file", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bunbase-types-"));
  const use = `import { createDB } from "bunbase/db";
const db = createDB();
(await db.from("users").single()).email satisfies string;
// @ts-expect-error: no such table
db.from("nope");
`;
  const config = {
    extends: join(ROOT, "tsconfig.base.json"),
    compilerOptions: {
      paths: { "bunbase/db": [join(PACKAGE, "src/db.ts")] },
      typeRoots: [join(ROOT, "node_modules/@types")],
    },
    files: ["database.d.ts", "use.ts"],
  };
  await Bun.write(join(directory, "database.d.ts"), await generateTypes(await frameworkDatabase()));
  await Bun.write(join(directory, "use.ts"), use);
  await Bun.write(join(directory, "tsconfig.json"), JSON.stringify(config));
  const tsc = Bun.spawnSync([join(ROOT, "node_modules/.bin/tsc"), "-p", directory], { cwd: ROOT });
  rmSync(directory, { recursive: true });
  expect(tsc.stdout.toString()).toBe("");
}, 30_000);

/** Without the comment at the top. */
function body(sql: string): string {
  return sql.slice(sql.indexOf("CREATE TABLE users"));
}
