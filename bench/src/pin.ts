// Which core runs what. Placement decides latencies at one connection, so there the load generator has the
// first core to itself, and the servers have the others.

import { availableParallelism } from "node:os";
import { processTree } from "./proc.ts";
import { run } from "./process.ts";

const CORES = availableParallelism();

/** Put before the load generator's command. */
export const ON_FIRST_CORE = ["taskset", "-c", "0"];

/** Keeps the servers, and what they start, off the first core. */
export async function offFirstCore(roots: number[]): Promise<void> {
  if (CORES < 2) throw new Error("latency needs two cores: one for the load, one for the server");
  await place(roots, CORES === 2 ? "1" : `1-${CORES - 1}`);
}

/** Undoes it. */
export async function onAllCores(roots: number[]): Promise<void> {
  await place(roots, `0-${CORES - 1}`);
}

async function place(roots: number[], cores: string): Promise<void> {
  for (const pid of roots.flatMap(processTree)) {
    await run(["taskset", "-acp", cores, String(pid)]);
  }
}
