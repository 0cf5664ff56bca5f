/** A database with the framework's tables, made by the migration that the platform runs. */
import { type BunSqliteExecutor, bunSqliteExecutor } from "../src/db/sqlite-executor.ts";

export function migration(dialect: "sqlite" | "postgres"): Promise<string> {
  const file = `../../../crates/actions/migrations/${dialect}/0001_framework.sql`;
  return Bun.file(new URL(file, import.meta.url)).text();
}

export async function frameworkDatabase(): Promise<BunSqliteExecutor> {
  const executor = bunSqliteExecutor(":memory:");
  executor.script(await migration("sqlite"));
  return executor;
}
