// Processes that the benchmark starts. Each is stopped by its id, also when the benchmark fails or is
// interrupted.

import { openSync } from "node:fs";

const STOP_MS_MAX = 15_000;
const POLL_MS = 2;

export interface StartOptions {
  /** Gets what the process prints. */
  log: string;
  env?: Record<string, string>;
  /** Asks the process to end. */
  stopSignal?: NodeJS.Signals;
}

export interface Started {
  readonly name: string;
  readonly pid: number;
  readonly log: string;
  hasEnded(): boolean;
  stop(): Promise<void>;
}

/** What runs, and the signal that asks it to end. */
const running = new Map<Bun.Subprocess, NodeJS.Signals>();
let stopping = false;

/** Starts a server; `stop` ends it. */
export function start(name: string, command: string[], options: StartOptions): Started {
  refuseWhenStopping();
  const output = openSync(options.log, "a");
  const child = Bun.spawn(command, {
    stdin: "ignore",
    stdout: output,
    stderr: output,
    env: { ...withoutBunbase(process.env), ...options.env },
  });
  const stopSignal = options.stopSignal ?? "SIGTERM";
  running.set(child, stopSignal);
  return {
    name,
    pid: child.pid,
    log: options.log,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => end(child, stopSignal),
  };
}

/** Runs a command to its end and gives what it printed. */
export async function run(command: string[], env: Record<string, string> = {}): Promise<string> {
  refuseWhenStopping();
  const child = Bun.spawn(command, {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...withoutBunbase(process.env), ...env },
  });
  running.set(child, "SIGTERM");
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  running.delete(child);
  if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${errors}${output}`);
  return output;
}

/** Polls until `url` answers with success; gives the milliseconds since `since`. */
export async function untilReady(
  server: Started,
  url: string,
  since = performance.now(),
  limitMs = 30_000,
): Promise<number> {
  while (performance.now() - since < limitMs) {
    if (server.hasEnded()) break;
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return performance.now() - since;
    await Bun.sleep(POLL_MS);
  }
  const said = (await Bun.file(server.log).text()).split("\n").slice(-20).join("\n");
  throw new Error(`${server.name} did not get ready at ${url}; it said:\n${said}`);
}

/** A port of loopback that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Ends whatever still runs, the last started first. */
export async function stopAll(): Promise<void> {
  stopping = true;
  for (const [child, signal] of [...running].reverse()) await end(child, signal);
}

/** After an interruption nothing new is started that nobody would stop. */
function refuseWhenStopping(): void {
  if (stopping) throw new Error("the benchmark was interrupted");
}

/** Waits for the end, also where it was asked for before. */
async function end(child: Bun.Subprocess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  const ended = await Promise.race([child.exited.then(() => true), Bun.sleep(STOP_MS_MAX)]);
  if (ended !== true) child.kill("SIGKILL");
  await child.exited;
  running.delete(child);
}

/** Settings of whoever runs the benchmark must not change what is measured. */
function withoutBunbase(env: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("BUNBASE_"));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, () => void stopAll().finally(() => process.exit(code)));
}
process.on("exit", () => {
  for (const child of running.keys()) child.kill("SIGKILL");
});
