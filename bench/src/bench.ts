// What every part works with: the programs, a directory of its own, how long to measure.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Fewer runs say nothing on a shared machine. */
export const ROUNDS = 5;

export type Length = "full" | "short";

export interface Bench {
  /** The `bunbase` binary. */
  binary: string;
  /** The `bench-load` binary. */
  load: string;
  /** The `bench-stores` binary. */
  stores: string;
  /** The example `throughput` of `jobs`. */
  jobs: string;
  /** On the disk that is measured; removed at the end. */
  directory: string;
  length: Length;
}

/** Reads the environment that `bench/run` sets. */
export function openBench(length: Length): Bench {
  const { BUNBASE_BIN: binary, BENCH_LOAD: load, BENCH_STORES: stores } = process.env;
  const { BENCH_JOBS: jobs } = process.env;
  if (!binary || !load || !stores || !jobs) throw new Error("start this with bench/run");
  const directory = mkdtempSync(join(process.env.BENCH_DIR || "/tmp", "bunbase-bench-"));
  // PostgreSQL runs as a user of its own and has its data in here.
  chmodSync(directory, 0o755);
  return { binary, load, stores, jobs, directory, length };
}

export function closeBench(bench: Bench): void {
  rmSync(bench.directory, { recursive: true, force: true });
}

/** The first number in a full run, the second in a short one. */
export function pick(bench: Bench, full: number, short: number): number {
  return bench.length === "full" ? full : short;
}
