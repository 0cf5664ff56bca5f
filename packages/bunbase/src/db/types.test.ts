/** What the compiler knows of a query. The tests hold at `tsc`; here they only run. */
import { expect, test } from "bun:test";
import { createDB } from "./client.ts";
import type { SqlExecutor } from "./executor.ts";
import { json } from "./json.ts";

interface Tables {
  users: {
    Row: { id: string; name: string | null; age: number };
    Insert: { id: string; name?: string | null; age?: number };
    Update: { id?: string; name?: string | null; age?: number };
  };
  tasks: {
    Row: { id: string; user_id: string; title: string };
    Insert: { id: string; user_id: string; title: string };
    Update: { title?: string };
  };
}

const nothing = { columns: [], rows: [], changes: 0, lastInsertId: null };
const executor: SqlExecutor = {
  dialect: "sqlite",
  query: async () => nothing,
  batch: async () => [nothing],
  transaction: (fn) => fn(executor),
};

/** Fails to compile unless the two are the same type. */
function same<A>() {
  return <B>(
    _value: B & ((<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? B : never),
  ) => true;
}

test("rows have the type of what was selected", async () => {
  const db = createDB<Tables>(executor);
  same<{ id: string; name: string | null; age: number }[]>()(await db.from("users"));
  same<{ id: string; years: number }[]>()(await db.from("users").select("id", "age as years"));
  same<{ name: string | null }[]>()(await db.from("users").select(["name"]));
  same<{ size: unknown; id: string }[]>()(
    await db.from("users").select("id", json("name", "$.size")),
  );
  const joined = db.from("tasks").leftJoin("users as u", "tasks.user_id", "u.id");
  same<{ title: string; age: number | null }[]>()(await joined.select("title", "u.age"));
  same<{ id: string; user_id: string; title: string; who: string | null }[]>()(
    await joined.select("tasks.*", "u.id as who"),
  );
  same<{ id: string } | null>()(await db.from("users").insert({ id: "1" }).returning(["id"]));
  same<{ id: string; name: string | null; age: number } | null>()(
    await db.from("users").eq("id", "1").maybeSingle(),
  );
  const untyped = await createDB(executor).from("anything").eq("x", 1);
  expect(untyped.map((row) => row.whatever.deep)).toEqual([]);
});

test("what is not there does not compile", () => {
  const db = createDB<Tables>(executor);
  // @ts-expect-error: no such table
  db.from("nope");
  // @ts-expect-error: no such column
  db.from("users").eq("nope", 1);
  // @ts-expect-error: a number is compared with a number
  db.from("users").eq("age", "x");
  // @ts-expect-error: `id` has no default
  db.from("users").insert({ name: "x" });
  // @ts-expect-error: not in this query
  expect(() => db.from("users").select("tasks.title").exec()).toThrow;
  expect(db.from("users")).toBeDefined();
});
