/** A database for tests, as a new application has it. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createDB, type DatabaseClient } from "../db/client.ts";
import { bunSqliteExecutor } from "../db/sqlite-executor.ts";
import type { Database } from "../db/types.ts";
import { FRAMEWORK_TABLES } from "./framework-tables.ts";

export interface TestDatabaseOptions {
  /** A directory of migrations, from where the test is run: `NNN_name.sql` of it are applied in their order. */
  migrations?: string;
}

/** SQLite in memory, with the tables of the framework and those of `migrations`. */
export async function createTestDatabase<DB = Database>({
  migrations,
}: TestDatabaseOptions = {}): Promise<DatabaseClient<DB>> {
  const executor = bunSqliteExecutor(":memory:");
  executor.script(FRAMEWORK_TABLES);
  for (const name of migrations === undefined ? [] : await scriptsOf(migrations))
    executor.script(await readFile(join(migrations ?? "", name), "utf8"));
  return createDB<DB>(executor);
}

async function scriptsOf(directory: string): Promise<string[]> {
  const isUp = (name: string) => /^\d+.*\.sql$/.test(name) && !name.endsWith(".down.sql");
  const names = (await readdir(directory)).filter(isUp);
  return names.sort((left, right) => Number.parseInt(left, 10) - Number.parseInt(right, 10));
}
