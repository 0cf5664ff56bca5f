import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migration } from "../../test/framework.ts";
import { UsersManager } from "../index.ts";
import { createTestDatabase } from "./database.ts";
import { FRAMEWORK_TABLES } from "./framework-tables.ts";

test("a database for tests has the tables that the server makes", async () => {
  const withoutComments = (await migration("sqlite"))
    .split("\n")
    .filter((line) => !line.startsWith("--"))
    .map((line) => line.replace(/\s*-- .*$/, ""))
    .join("\n");
  expect(FRAMEWORK_TABLES.trim()).toBe(withoutComments.trim());
});

test("migrations are applied by their numbers, and what takes them back is not", async () => {
  const directory = await mkdtemp(join(tmpdir(), "bunbase-migrations-"));
  const files = {
    "2_notes.sql": "CREATE TABLE notes (id TEXT PRIMARY KEY, user_id TEXT REFERENCES users (id))",
    "2_notes.down.sql": "DROP TABLE notes",
    "10_color.sql": "ALTER TABLE notes ADD COLUMN color TEXT",
    "README.md": "no migration",
  };
  try {
    for (const [name, text] of Object.entries(files)) await Bun.write(join(directory, name), text);
    const db = await createTestDatabase({ migrations: directory });
    const { id } = await new UsersManager(db).create({ email: "ada@example.com" });
    await db.from("notes").insert({ id: "n1", user_id: id, color: "red" });
    expect(await db.from("notes").single()).toEqual({ id: "n1", user_id: id, color: "red" });
  } finally {
    await rm(directory, { recursive: true });
  }
});
