// PostgreSQL 15 from Debian with a data directory of its own, reached over a Unix socket in it, and the small
// axum server in front.

import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { freePort, run, type Started, start, untilReady } from "./process.ts";

const BIN = "/usr/lib/postgresql/15/bin";
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "256MB",
  max_connections: "200",
};
const START_MS_MAX = 30_000;

export interface PostgresPeer {
  database: Started;
  server: Started;
  address: string;
  /** Updates the statistics, as a database that has run for a while has them. */
  analyze(): Promise<void>;
  stop(): Promise<void>;
}

export const postgresSettings = Object.entries(SETTINGS)
  .filter(([name]) => name !== "listen_addresses")
  .map(([name, value]) => `${name}=${value}`)
  .join(", ");

/** The database without the server in front. */
export interface PostgresDatabase {
  process: Started;
  /** For clients. */
  connection: string;
  /** The same as an address, over TCP. */
  url: string;
  /** Runs statements as its superuser. */
  execute(statements: string): Promise<void>;
}

export async function startDatabase(bench: Bench): Promise<PostgresDatabase> {
  const directory = join(bench.directory, "postgres");
  const asOwner = await owner(directory);
  const encoding = ["-A", "trust", "-E", "UTF8"];
  await run([...asOwner, `${BIN}/initdb`, "-D", directory, "-U", "postgres", ...encoding]);
  const port = `${freePort()}`;
  const settings = { ...SETTINGS, port, unix_socket_directories: directory };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = [...asOwner, `${BIN}/postgres`, "-D", directory, ...options];
  const log = join(bench.directory, "postgres.log");
  const process = start("postgres", command, { log, stopSignal: "SIGINT" });
  const client = ["-h", directory, "-p", port, "-U", "postgres"];
  await untilAccepts(process, [...asOwner, `${BIN}/pg_isready`, ...client]);
  return {
    process,
    connection: `host=${directory} port=${port} user=postgres dbname=postgres`,
    url: `postgres://postgres:trusted@127.0.0.1:${port}/postgres`,
    execute: async (statements) => {
      await run([...asOwner, `${BIN}/psql`, ...client, "-qc", statements]);
    },
  };
}

export async function startPostgres(bench: Bench): Promise<PostgresPeer> {
  const database = await startDatabase(bench);
  const address = `127.0.0.1:${freePort()}`;
  const server = start(
    "pg-server",
    [bench.load, "pg-server", "--listen", address, "--postgres", database.connection],
    {
      log: join(bench.directory, "pg-server.log"),
    },
  );
  await untilReady(server, `http://${address}/ready`);
  return {
    database: database.process,
    server,
    address,
    analyze: () => database.execute("VACUUM ANALYZE docs"),
    stop: async () => {
      await server.stop();
      await database.process.stop();
    },
  };
}

/** PostgreSQL refuses to run as root; then it runs as the user of its package. `setpriv` keeps the id. */
async function owner(directory: string): Promise<string[]> {
  mkdirSync(directory, { mode: 0o700 });
  if (process.getuid?.() !== 0) return [];
  const [uid, gid] = await Promise.all([
    run(["id", "-u", "postgres"]),
    run(["id", "-g", "postgres"]),
  ]);
  chownSync(directory, Number(uid), Number(gid));
  return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"];
}

async function untilAccepts(database: Started, isReady: string[]): Promise<void> {
  const since = performance.now();
  while (performance.now() - since < START_MS_MAX && !database.hasEnded()) {
    const accepts = await run(isReady).then(
      () => true,
      () => false,
    );
    if (accepts) return;
    await Bun.sleep(50);
  }
  throw new Error(
    `PostgreSQL did not start; see ${database.log}:\n${await Bun.file(database.log).text()}`,
  );
}
