/**
 * The server as a child: started, waited for, told to stop. It has the same standard streams and a
 * process group of its own, so that Ctrl-C reaches it once, from here.
 */
import type { UpOptions } from "./options.ts";

const READY_POLL_MS = 10;
const READY_TIMEOUT_MS = 60_000;
const PROBE_TIMEOUT_MS = 1000;

export class Server {
  readonly #process: Bun.Subprocess;
  #stopping = false;

  private constructor(process: Bun.Subprocess) {
    this.#process = process;
  }

  static async start({ binary, dataDir, listen, url }: UpOptions): Promise<Server> {
    if (await answers(url)) {
      throw new Error(`${listen} is taken: stop what runs there, or set BUNBASE_LISTEN`);
    }
    const command = [binary, "serve", "--data-dir", dataDir, "--listen", listen];
    const env = { BUNBASE_BUN_PATH: process.execPath, ...process.env };
    const streams = ["inherit", "inherit", "inherit"] as const;
    return new Server(Bun.spawn(command, { env, stdio: [...streams], detached: true }));
  }

  /** Code of the process when it has ended; 128 and the signal where it was killed. */
  async exited(): Promise<number> {
    return await this.#process.exited;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Asks it to drain and end. A second time it may end at once. */
  stop(signal: "SIGINT" | "SIGTERM"): void {
    this.#stopping = true;
    this.#process.kill(signal);
  }

  /** Returns when `/ready` says so; false where the server ended before. */
  async ready(url: string): Promise<boolean> {
    const endMs = performance.now() + READY_TIMEOUT_MS;
    while (this.#process.exitCode === null && this.#process.signalCode === null) {
      if (await isReady(url)) return true;
      if (performance.now() > endMs) {
        throw new Error(`the server was not ready within ${READY_TIMEOUT_MS / 1000} s`);
      }
      await Bun.sleep(READY_POLL_MS);
    }
    return false;
  }
}

async function answers(url: string): Promise<boolean> {
  return (await probe(url)) !== undefined;
}

async function isReady(url: string): Promise<boolean> {
  return (await probe(`${url}/ready`))?.ok ?? false;
}

async function probe(url: string): Promise<Response | undefined> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  return await fetch(url, { signal }).catch(() => undefined);
}
