import { expect, test } from "bun:test";
import { frameworkDatabase } from "../../test/framework.ts";
import { createDB, DatabaseClient } from "../db/client.ts";
import { telling } from "./remembered.ts";

test("the server is told of what it remembers once it is there for others", async () => {
  const { executor } = createDB(await frameworkDatabase());
  let told = 0;
  const db = new DatabaseClient(
    telling(executor, async () => {
      told += 1;
    }),
  );
  await db.sql`CREATE TABLE notes (id TEXT)`;
  await db.sql`INSERT INTO notes VALUES ('1')`;
  await db.sql`SELECT * FROM users`;
  expect(told).toBe(0);
  await db.sql`INSERT INTO roles (id, key, name, weight, created_at) VALUES ('1', 'clerk', 'Clerk', 0, 0)`;
  expect(told).toBe(1);
  const inside = db.transaction(async (tx) => {
    await tx.sql`UPDATE roles SET name = 'Clerks' WHERE key = 'clerk'`;
    await tx.transaction((inner) => inner.sql`DELETE FROM roles WHERE key = 'clerk'`);
    expect(told).toBe(1);
  });
  await inside;
  expect(told).toBe(2);
  const undone = db.transaction(async (tx) => {
    await tx.sql`DELETE FROM roles`;
    throw new Error("no");
  });
  expect(undone).rejects.toThrow("no");
  await undone.catch(() => undefined);
  expect(told).toBe(2);
});
