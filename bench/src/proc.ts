// What the kernel says about processes: CPU time, memory, children (proc(5)).

import { readdirSync, readFileSync } from "node:fs";

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Bun runs on. */
const TICKS_PER_SECOND = 100;
const MICROSECONDS = 1_000_000;

/** The process and its descendants, the process first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(`/proc/${pid}/stat`)?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** User and system time of the process in microseconds. */
export function processCpuUs(pid: number): number {
  return cpuUs(`/proc/${pid}/stat`);
}

/** The same of its first thread, on which Bun runs JavaScript. */
export function mainThreadCpuUs(pid: number): number {
  return cpuUs(`/proc/${pid}/task/${pid}/stat`);
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, "VmRSS") * 1024;
}

/** Proportional memory in bytes: pages shared by n processes count 1/n. */
export function proportionalBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, "Pss") * 1024;
}

export const MEBIBYTE = 2 ** 20;

/** Memory of a server and of its workers, which share the pages of one Bun. */
export interface Memory {
  /** Resident. */
  serverMiB: number;
  /** Proportional. */
  workersMiB: number;
  workers: number;
}

export function memoryOf(root: number): Memory {
  const [server = root, ...workers] = processTree(root);
  return {
    serverMiB: residentBytes(server) / MEBIBYTE,
    workersMiB: sum(workers.map(proportionalBytes)) / MEBIBYTE,
    workers: workers.length,
  };
}

/** CPU time by role between two readings. */
export interface CpuUse {
  /** The process itself. */
  front: number;
  /** Its descendants. */
  workers: number;
  /** The first threads of the processes that run JavaScript. */
  js: number;
  /** All together. */
  total: number;
}

/** Reads the CPU time of a server and its descendants. */
export class CpuMeter {
  readonly #root: number;
  readonly #rootRunsJs: boolean;
  readonly #before = new Map<string, number>();

  constructor(root: number, rootRuns: "js" | "native") {
    this.#root = root;
    this.#rootRunsJs = rootRuns === "js";
    for (const pid of processTree(root)) {
      this.#before.set(`all ${pid}`, processCpuUs(pid));
      this.#before.set(`js ${pid}`, mainThreadCpuUs(pid));
    }
  }

  /** Microseconds since the meter was made. */
  read(): CpuUse {
    const [root = this.#root, ...descendants] = processTree(this.#root);
    const since = (kind: string, pid: number, now: number) =>
      now - (this.#before.get(`${kind} ${pid}`) ?? 0);
    const all = (pid: number) => since("all", pid, processCpuUs(pid));
    const js = (pid: number) => since("js", pid, mainThreadCpuUs(pid));
    const front = all(root);
    const workers = sum(descendants.map(all));
    const jsOf = this.#rootRunsJs ? [root] : descendants;
    return { front, workers, js: sum(jsOf.map(js)), total: front + workers };
  }
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function cpuUs(path: string): number {
  const fields = statFields(path);
  const ticks = Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
  return (ticks / TICKS_PER_SECOND) * MICROSECONDS;
}

/** The fields from the third (state) on; the second, the name, may hold anything. */
function statFields(path: string): string[] | undefined {
  const text = read(path);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function kilobytes(path: string, name: string): number {
  const line = read(path)?.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"));
  return Number(line?.[1] ?? 0);
}

/** Processes end while they are looked at. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
