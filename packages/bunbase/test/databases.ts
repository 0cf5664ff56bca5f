/** The databases that a test of the builder runs on: SQLite, and PostgreSQL where it is installed. */
import type { SQL } from "bun";
import type { SqlExecutor } from "../src/db/executor.ts";
import { postgresExecutor } from "../src/db/postgres-executor.ts";
import { bunSqliteExecutor } from "../src/db/sqlite-executor.ts";
import { startPostgres } from "./postgres.ts";

export interface TestDatabase {
  name: string;
  executor: SqlExecutor;
}

export interface TestDatabases {
  each: TestDatabase[];
  /** One connection to PostgreSQL, as another user. */
  connect(username: string): SQL;
  stop(): Promise<void>;
}

export async function startDatabases(): Promise<TestDatabases> {
  const sqlite = bunSqliteExecutor(":memory:");
  const server = await startPostgres();
  const pool = server?.connect();
  const each = [{ name: "sqlite", executor: sqlite as SqlExecutor }];
  if (pool !== undefined) each.push({ name: "postgres", executor: postgresExecutor(pool) });
  const pools = pool === undefined ? [] : [pool];
  const connect = (username: string) => {
    if (server === undefined) throw new Error("PostgreSQL is not there");
    const other = server.connect(username, 1);
    pools.push(other);
    return other;
  };
  const stop = async () => {
    sqlite.close();
    await Promise.all(pools.map((each) => each.close()));
    await server?.stop();
  };
  return { each, connect, stop };
}
