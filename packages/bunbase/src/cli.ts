/**
 * `bunbase/cli`: what the program `bunbase` asks of this package, in the directory of an application. Each tool takes
 * and gives JSON.
 */

import { type ClientManifest, generateClient, generateNames } from "./client/generate.ts";
import { createDB } from "./db/client.ts";
import type { SqlExecutor } from "./db/executor.ts";
import { postgresExecutor } from "./db/postgres-executor.ts";
import { bunSqliteExecutor } from "./db/sqlite-executor.ts";
import { generateTypes } from "./db/typegen.ts";
import { readSeeds } from "./seed/files.ts";
import { Seeder, type SeedReport } from "./seed/seeder.ts";

/** A file of SQLite, or the address of a PostgreSQL. */
export type DatabasePlace = { sqlite: string } | { postgres: string };

export interface DatabaseInput {
  database: DatabasePlace;
  /** Of PostgreSQL; `public` where absent. */
  schema?: string;
}

export interface SeedInput {
  database: DatabasePlace;
  /** Where the files are. */
  directory: string;
  /** Names of the only seeds to run. */
  only?: readonly string[];
  force?: boolean;
}

export const tools = {
  /** The text of a client. */
  client: async ({ manifest }: { manifest: ClientManifest }): Promise<string> =>
    generateClient(manifest),
  /** The text that types the names of actions, events and queues. */
  names: async ({ manifest }: { manifest: ClientManifest }): Promise<string> =>
    generateNames(manifest),
  /** The text that types the tables. */
  database: ({ database, schema }: DatabaseInput): Promise<string> =>
    within(database, (executor) => generateTypes(executor, schema === undefined ? {} : { schema })),
  seed: async ({ database, directory, ...options }: SeedInput): Promise<SeedReport> => {
    const seeds = await readSeeds(directory);
    return within(database, (executor) => new Seeder(createDB(executor), seeds).run(options));
  },
};

async function within<T>(
  place: DatabasePlace,
  use: (executor: SqlExecutor) => Promise<T>,
): Promise<T> {
  if ("postgres" in place) {
    const pool = new Bun.SQL(place.postgres);
    return use(postgresExecutor(pool)).finally(() => pool.close());
  }
  const executor = bunSqliteExecutor(place.sqlite);
  return use(executor).finally(() => executor.close());
}
