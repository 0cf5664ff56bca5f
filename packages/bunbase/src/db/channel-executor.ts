/**
 * SQLite through the platform: a worker never opens the file, it asks over its channel. A transaction belongs to the
 * invocation that began it, and is rolled back when that ends or idles.
 */
import { DatabaseError, fromAnswer } from "./error.ts";
import {
  inOrder,
  inSavepoint,
  narrow,
  type SqlExecutor,
  type SqlResult,
  type SqlStatement,
  sqliteValue,
} from "./executor.ts";

interface Channel {
  fetch(request: {
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: string;
  }): Promise<Response>;
}

const CHANNEL = Symbol.for("bunbase.channel");

/** The application's own SQLite database. Works only inside a running application. */
export function channelExecutor(): SqlExecutor {
  return {
    dialect: "sqlite",
    query: (sql, params) => query({ sql, params: params ?? [] }),
    batch: async (statements) => {
      const body = { statements: statements.map(encoded) };
      return (await post<{ results: WireResult[] }>("/v1/sql/batch", body)).results.map(decoded);
    },
    transaction,
  };
}

async function query(statement: SqlStatement, transaction?: string): Promise<SqlResult> {
  const body = { ...encoded(statement), ...(transaction === undefined ? {} : { transaction }) };
  return decoded(await post<WireResult>("/v1/sql/query", body));
}

async function transaction<T>(fn: (tx: SqlExecutor) => Promise<T>): Promise<T> {
  const begun = await post<{ transaction: string }>("/v1/sql/begin", { read_only: false });
  let value: T;
  try {
    value = await fn(within(begun.transaction, 1));
  } catch (error) {
    // The error of `fn` is what counts; a transaction that is gone has been rolled back already.
    await post("/v1/sql/rollback", begun).catch(() => undefined);
    throw error;
  }
  await post("/v1/sql/commit", begun);
  return value;
}

/** The executor of an open transaction; `depth` counts the savepoints to come. */
function within(id: string, depth: number): SqlExecutor {
  const ask = (sql: string, params: readonly unknown[] = []) => query({ sql, params }, id);
  return {
    dialect: "sqlite",
    query: ask,
    batch: (statements) => inOrder({ query: ask }, statements),
    transaction: (fn) => inSavepoint(ask, depth, () => fn(within(id, depth + 1))),
  };
}

async function post<R>(path: string, body: unknown): Promise<R> {
  const response = await channel().fetch({
    method: "POST",
    path,
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status >= 400) throw fromAnswer(response.status, text);
  return (text === "" ? undefined : JSON.parse(text)) as R;
}

function channel(): Channel {
  const found = (globalThis as { [CHANNEL]?: Channel })[CHANNEL];
  if (found !== undefined) return found;
  throw new DatabaseError(
    "busy",
    "there is no database here: run inside an application, set DATABASE_URL, or give createDB an executor",
  );
}

interface WireResult {
  columns: string[];
  rows: WireValue[][];
  changes: number;
  last_insert_id: WireValue;
}

type WireValue = null | number | string | boolean | { $int: string } | { $bytes: string };

function decoded(result: WireResult): SqlResult {
  return {
    columns: result.columns,
    rows: result.rows.map((row) => row.map(fromWire)),
    changes: result.changes,
    lastInsertId: fromWire(result.last_insert_id) as number | bigint | null,
  };
}

function encoded({ sql, params }: SqlStatement): { sql: string; params: WireValue[] } {
  return { sql, params: params.map(toWire) };
}

function toWire(value: unknown): WireValue {
  const stored = sqliteValue(value);
  if (stored instanceof Uint8Array) return { $bytes: Buffer.from(stored).toString("base64") };
  if (typeof stored !== "bigint") return stored;
  const narrowed = narrow(stored);
  return typeof narrowed === "bigint" ? { $int: narrowed.toString() } : narrowed;
}

function fromWire(value: WireValue): unknown {
  if (value === null || typeof value !== "object") return value;
  if ("$int" in value) return BigInt(value.$int);
  return new Uint8Array(Buffer.from(value.$bytes, "base64"));
}
