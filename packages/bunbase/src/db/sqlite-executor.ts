/**
 * SQLite in this process, over `bun:sqlite`: for tests and tools. An application asks the platform instead
 * (`channelExecutor`): there is one connection here, so while a transaction runs everything else waits for it.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { DatabaseError, fromDriver } from "./error.ts";
import {
  inOrder,
  inSavepoint,
  narrow,
  type SqlExecutor,
  type SqlResult,
  sqliteValue,
} from "./executor.ts";

/** How long a statement outside the open transaction, or in another process, waits for its end. */
const BUSY_TIMEOUT_MS = 5_000;

export interface BunSqliteExecutor extends SqlExecutor {
  /** Runs a script of statements without parameters, such as a migration. */
  script(sql: string): void;
  close(): void;
}

export function bunSqliteExecutor(path: string): BunSqliteExecutor {
  const database = new Database(path, { create: true, readwrite: true, safeIntegers: true });
  // Other processes may write, too.
  database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA foreign_keys = ON");
  const lock = new Lock();
  const transaction: SqlExecutor["transaction"] = (fn) =>
    lock.hold(async () => {
      run(database, "BEGIN IMMEDIATE");
      try {
        const value = await fn(within(database, 1));
        run(database, "COMMIT");
        return value;
      } catch (error) {
        if (database.inTransaction) run(database, "ROLLBACK");
        throw error;
      }
    });
  return {
    dialect: "sqlite",
    query: (sql, params) => lock.hold(async () => run(database, sql, params)),
    batch: (statements) => transaction((tx) => tx.batch(statements)),
    transaction,
    script: (sql) => void database.run(sql),
    close: () => database.close(),
  };
}

function within(database: Database, depth: number): SqlExecutor {
  const query: SqlExecutor["query"] = async (sql, params) => run(database, sql, params);
  return {
    dialect: "sqlite",
    query,
    batch: (statements) => inOrder({ query }, statements),
    transaction: (fn) => inSavepoint(query, depth, () => fn(within(database, depth + 1))),
  };
}

function run(database: Database, sql: string, params: readonly unknown[] = []): SqlResult {
  const values = params.map(sqliteValue);
  try {
    const statement = database.query(sql);
    const before = counter(database, "total_changes");
    const rows = statement.values(...values).map((row) => row.map(fromSqlite));
    // After a statement that only reads, the other two are those of the write before it.
    const wrote = counter(database, "total_changes") !== before;
    const changes = wrote ? Number(counter(database, "changes")) : 0;
    const lastInsertId = wrote ? counter(database, "last_insert_rowid") : null;
    return { columns: [...statement.columnNames], rows, changes, lastInsertId };
  } catch (error) {
    if (error instanceof SQLiteError) throw fromDriver(error, error.code);
    throw error;
  }
}

function fromSqlite(value: unknown): unknown {
  return typeof value === "bigint" ? narrow(value) : value;
}

function counter(
  database: Database,
  name: "changes" | "total_changes" | "last_insert_rowid",
): number | bigint {
  return narrow(database.query<{ n: bigint }, []>(`SELECT ${name}() AS n`).get()?.n ?? 0n);
}

/** One holder at a time, in the order of asking. */
class Lock {
  #last: Promise<unknown> = Promise.resolve();

  hold<T>(fn: () => Promise<T>): Promise<T> {
    const turn = this.#last;
    const held = waited(turn).then(fn);
    // Whoever gives up waiting does not let the next one in before its time.
    this.#last = Promise.allSettled([turn, held]);
    return held;
  }
}

function waited(turn: Promise<unknown>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const busy = new Promise((_, reject) => {
    const message =
      "the database is locked by a transaction: inside one, use the client it is given";
    timer = setTimeout(() => reject(new DatabaseError("busy", message)), BUSY_TIMEOUT_MS);
  });
  return Promise.race([turn, busy]).finally(() => clearTimeout(timer));
}
