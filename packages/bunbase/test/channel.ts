/** The SQL routes of the platform as a worker sees them, over a SQLite in this process. */
import { DatabaseError } from "../src/db/error.ts";
import type { SqlExecutor, SqlResult, SqlStatement } from "../src/db/executor.ts";
import type { BunSqliteExecutor } from "../src/db/sqlite-executor.ts";

const CHANNEL = Symbol.for("bunbase.channel");

interface Open {
  tx: SqlExecutor;
  end(how: "commit" | "rollback"): Promise<void>;
}

/** Puts a channel in place until `close`. */
export function serveChannel(executor: BunSqliteExecutor): { close(): void } {
  const open = new Map<string, Open>();
  const fetch = async ({ path, body }: { path: string; body: string }): Promise<Response> => {
    try {
      // What crosses is JSON, as over the real channel.
      return await answer(executor, open, path, JSON.parse(body));
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      const { code, message, sqlCode, statusCode } = error;
      return Response.json(
        { error: { code, message, details: { code: sqlCode } } },
        { status: Math.max(statusCode, 400) },
      );
    }
  };
  const host = globalThis as { [CHANNEL]?: unknown };
  host[CHANNEL] = { fetch };
  return {
    close: () => {
      delete host[CHANNEL];
      executor.close();
    },
  };
}

interface Asked extends SqlStatement {
  transaction?: string;
  statements: SqlStatement[];
}

async function answer(
  executor: SqlExecutor,
  open: Map<string, Open>,
  path: string,
  asked: Asked,
): Promise<Response> {
  if (path === "/v1/sql/begin") return Response.json({ transaction: await begin(executor, open) });
  if (path === "/v1/sql/batch") {
    const statements = asked.statements.map(({ sql, params }) => ({
      sql,
      params: params.map(parsed),
    }));
    return Response.json({ results: (await executor.batch(statements)).map(wire) });
  }
  const transaction = asked.transaction === undefined ? undefined : open.get(asked.transaction);
  if (asked.transaction !== undefined && transaction === undefined)
    throw new DatabaseError("transaction_gone", "the transaction is gone");
  if (path === "/v1/sql/query") {
    const result = await (transaction?.tx ?? executor).query(asked.sql, asked.params.map(parsed));
    return Response.json(wire(result));
  }
  open.delete(asked.transaction ?? "");
  await transaction?.end(path.endsWith("commit") ? "commit" : "rollback");
  return new Response(null, { status: 204 });
}

async function begin(executor: SqlExecutor, open: Map<string, Open>): Promise<string> {
  const id = `txn_${crypto.randomUUID()}`;
  const started = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  const whole = executor.transaction(async (tx) => {
    const end = (how: string) => {
      if (how === "commit") ending.resolve();
      else ending.reject(new Error(how));
      return whole.catch(() => undefined);
    };
    open.set(id, { tx, end });
    started.resolve();
    await ending.promise;
  });
  await started.promise;
  return id;
}

function parsed(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  const { $int, $bytes } = value as { $int?: string; $bytes?: string };
  return $int === undefined ? new Uint8Array(Buffer.from($bytes ?? "", "base64")) : BigInt($int);
}

function wire({ columns, rows, changes, lastInsertId }: SqlResult): unknown {
  const values = (row: unknown[]) => row.map(wireValue);
  return { columns, rows: rows.map(values), changes, last_insert_id: wireValue(lastInsertId) };
}

function wireValue(value: unknown): unknown {
  if (typeof value === "bigint") return { $int: value.toString() };
  return value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : value;
}
