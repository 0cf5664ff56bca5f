/** What a caller is told of the database's errors, and what only the log is. */
import { afterEach, expect, spyOn, test } from "bun:test";
import { failure } from "../runtime/output.ts";
import { createDB } from "./client.ts";
import { bunSqliteExecutor } from "./sqlite-executor.ts";

const NODE_ENV = process.env.NODE_ENV ?? "test";
afterEach(() => {
  process.env.NODE_ENV = NODE_ENV;
});

test("a conflict is told, a wrong statement is not", async () => {
  process.env.NODE_ENV = "production";
  const log = spyOn(console, "error").mockImplementation(() => undefined);
  const db = createDB(bunSqliteExecutor(":memory:"));
  await db.executor.query("CREATE TABLE t (x INTEGER PRIMARY KEY)");
  await db.from("t").insert({ x: 1 });
  const told = async (work: PromiseLike<unknown>): Promise<unknown> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const answer = failure(undefined, error, "trace");
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  const conflict = await told(db.from("t").insert({ x: 1 }));
  expect(conflict).toMatchObject({ status: 409, error: { code: "conflict" } });
  const missing = await told(db.from("t").eq("x", 2).single());
  expect(missing).toMatchObject({ status: 404, error: { code: "not_found" } });
  const cursor = await told(db.from("t").page({ after: "x", orderBy: "x" }));
  expect(cursor).toMatchObject({ status: 400, error: { code: "invalid_cursor" } });
  expect(log).toHaveBeenCalledTimes(0);
  const wrong = await told(db.from("secret_table").eq("x", 1));
  expect(wrong).toEqual({
    status: 500,
    error: { code: "sql_error", message: "Internal error", trace_id: "trace" },
  });
  expect(log).toHaveBeenCalledTimes(1);
  log.mockRestore();
});
