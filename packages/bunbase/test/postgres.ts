/**
 * A PostgreSQL of its own for a test: started on a Unix socket in a directory that is removed at the end. As root it
 * runs as the user of its package, since PostgreSQL refuses root.
 */
import { chownSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";

const BIN = "/usr/lib/postgresql/15/bin";
const START_MS_MAX = 30_000;

export interface TestPostgres {
  /** A pool as its superuser, or as another user, of 4 connections unless said. */
  connect(username?: string, connections?: number): SQL;
  stop(): Promise<void>;
}

/** Undefined, with a line that says so, where PostgreSQL 15 is not installed. */
export async function startPostgres(): Promise<TestPostgres | undefined> {
  if (!existsSync(`${BIN}/postgres`)) {
    console.warn(
      `PostgreSQL is not in ${BIN}: its tests are skipped (Debian: apt install postgresql-15)`,
    );
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), "bunbase-pg-"));
  const as = owner(directory);
  const initdb = [...as, `${BIN}/initdb`, "-D", directory, "-U", "postgres", "-A", "trust"];
  output([...initdb, "-E", "UTF8", "--locale=C", "--no-sync"], directory);
  const settings = ["listen_addresses=", `unix_socket_directories=${directory}`, "fsync=off"];
  const server = Bun.spawn(
    [...as, `${BIN}/postgres`, "-D", directory, ...settings.flatMap((setting) => ["-c", setting])],
    { cwd: directory, stdout: "ignore", stderr: "ignore" },
  );
  const stop = async () => {
    server.kill("SIGINT");
    await server.exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const connect = (username = "postgres", max = 4) =>
    new SQL({ adapter: "postgres", path: directory, username, database: "postgres", max });
  await untilReady(connect, server).catch(async (error) => {
    await stop();
    throw error;
  });
  return { connect, stop };
}

async function untilReady(connect: () => SQL, server: Bun.Subprocess): Promise<void> {
  const since = performance.now();
  while (server.exitCode === null && performance.now() - since < START_MS_MAX) {
    const pool = connect();
    const ready = await pool.unsafe("SELECT 1").then(
      () => true,
      () => false,
    );
    await pool.close();
    if (ready) return;
    await Bun.sleep(20);
  }
  throw new Error("PostgreSQL did not start");
}

function owner(directory: string): string[] {
  if (process.getuid?.() !== 0) return [];
  const id = (flag: string) => Number(output(["id", flag, "postgres"], directory));
  chownSync(directory, id("-u"), id("-g"));
  return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"];
}

function output(command: string[], cwd: string): string {
  const { success, stdout, stderr } = Bun.spawnSync(command, { cwd });
  if (!success) throw new Error(`${command[0]} failed: ${stderr}`);
  return stdout.toString();
}
