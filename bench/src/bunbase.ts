// BunBase as the benchmark runs it: the release binary with its default settings, set up over HTTP, functions
// deployed with its command line.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Developer, type ProjectKeys } from "../../tools/up/developer.ts";
import type { Bench } from "./bench.ts";
import { freePort, run, type Started, start, untilReady } from "./process.ts";

export interface BunbaseServer {
  process: Started;
  address: string;
  url: string;
  /** From the start of the process until `/ready` answered with success. */
  readyMs: number;
}

/** A data directory that servers are started on, one after the other. */
export class Installation {
  readonly dataDir: string;
  readonly #bench: Bench;
  readonly #name: string;

  constructor(bench: Bench, name: string) {
    this.#bench = bench;
    this.#name = name;
    this.dataDir = join(bench.directory, name);
  }

  /** `settings` are environment variables. */
  async start(settings: Record<string, string> = {}): Promise<BunbaseServer> {
    const address = `127.0.0.1:${freePort()}`;
    const command = ["serve", "--data-dir", this.dataDir, "--listen", address];
    const log = join(this.#bench.directory, `${this.#name}.log`);
    const since = performance.now();
    const started = start("bunbase", [this.#bench.binary, ...command], {
      log,
      env: { ...withBun(), ...settings },
    });
    const url = `http://${address}`;
    const readyMs = await untilReady(started, `${url}/ready`, since);
    return { process: started, address, url, readyMs };
  }

  /** The first account and a project. */
  async setUp(server: BunbaseServer): Promise<ProjectKeys> {
    const developer = new Developer(server.url);
    await developer.setUp({ email: "bench@example.com", password: crypto.randomUUID() });
    return developer.createProject("bench");
  }

  /** Deploys a file or a directory as a person would. */
  async deploy(
    server: BunbaseServer,
    keys: ProjectKeys,
    name: string,
    path: string,
  ): Promise<void> {
    await run([this.#bench.binary, "functions", "deploy", path, "--name", name], {
      ...withBun(),
      BUNBASE_URL: server.url,
      BUNBASE_KEY: keys.secret_key,
      BUNBASE_PROJECT: keys.project,
      BUNBASE_CONFIG_DIR: join(this.#bench.directory, "cli"),
    });
  }

  /** Deploys the function of the benchmark under the name `hello`. */
  async deployHello(server: BunbaseServer, keys: ProjectKeys): Promise<void> {
    const directory = join(this.#bench.directory, "hello");
    mkdirSync(directory, { recursive: true });
    const file = join(directory, "hello.ts");
    writeFileSync(file, 'export default () => Response.json({ hello: "world" });\n');
    await this.deploy(server, keys, "hello", file);
  }
}

/** How many runs and lines were recorded, and how many were only counted. */
export async function logCounters(url: string): Promise<string[]> {
  const metrics = await fetch(`${url}/metrics`).then((answer) => answer.text());
  return metrics
    .split("\n")
    .filter((line) => /^bunbase_(runs|log_lines|function_calls)_total/.test(line));
}

/** The header that names the project of a call. */
export function keyHeader(key: string): Record<string, string> {
  return { "X-Bunbase-Client-Key": key };
}

/** The same Bun for the workers, for the peer and for this program. */
function withBun(): Record<string, string> {
  return { BUNBASE_BUN_PATH: process.execPath };
}
