// Part h, first half: a deployed function beside what else could answer on this machine: `Bun.serve` alone, Node's
// `http`, and nginx in front of `Bun.serve`. All sides in one run, one after the other in each round.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BunbaseServer, keyHeader } from "./bunbase.ts";
import { startNginx } from "./nginx.ts";
import { median } from "./numbers.ts";
import { ON_FIRST_CORE, offFirstCore, onAllCores } from "./pin.ts";
import { CpuMeter } from "./proc.ts";
import { freePort, type Started, start, untilReady } from "./process.ts";
import type { Row } from "./report.ts";
import { type WrkRun, wrk } from "./wrk.ts";

const PEERS = join(import.meta.dir, "../peers");
const KIBIBYTE = 1024;

interface Side {
  name: string;
  url: string;
  /** The processes whose CPU time counts, with their descendants. */
  pids: number[];
}

interface Workload {
  name: string;
  path: string;
  /** Bytes that are sent; nothing for a `GET`. */
  body?: number;
  connections: number[];
}

const WORKLOADS: Workload[] = [
  { name: "hello", path: "/", connections: [1, 16, 128, 512] },
  { name: "echo of 1 KiB", path: "/", body: KIBIBYTE, connections: [16, 128] },
  { name: "echo of 64 KiB", path: "/", body: 64 * KIBIBYTE, connections: [16, 128] },
  { name: "stream of 16 KiB", path: "/stream", connections: [16, 128] },
];

export interface LoadRun extends WrkRun {
  side: string;
  workload: string;
  connections: number;
  cpuUs: number;
}

export interface Compared {
  rows: Row[];
  runs: LoadRun[];
  notes: string[];
}

/** Compares the function `handler`, which is deployed already. */
export async function compare(bench: Bench, server: BunbaseServer, key: string): Promise<Compared> {
  const { sides, started, notes } = await startPeers(bench);
  const url = `${server.url}/v1/functions/handler`;
  sides.push({ name: "BunBase", url, pids: [server.process.pid] });
  const runs: LoadRun[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const workload of WORKLOADS) {
      for (const connections of workload.connections) {
        // The first round only warms up.
        const measured = await runAll(bench, sides, {
          workload,
          connections,
          key,
          warm: round > 0,
        });
        if (round > 0) runs.push(...measured);
      }
    }
    if (round > 0) console.log(`    load, round ${round} of ${ROUNDS}`);
  }
  for (const each of started.reverse()) await each.stop();
  const errors = runs.reduce((sum, run) => sum + run.errors, 0);
  return { rows: rows(runs), runs, notes: [...notes, `answers that were no success: ${errors}`] };
}

async function startPeers(bench: Bench) {
  const [bunPort, nodePort] = [freePort(), freePort()];
  const log = (name: string) => ({ log: join(bench.directory, `${name}.log`) });
  const handler = join(PEERS, "bun-handler.ts");
  const bun = start("Bun.serve", [process.execPath, handler, `${bunPort}`], log("bun-handler"));
  const program = join(PEERS, "node-http.mjs");
  const node = start("node", ["node", program, `${nodePort}`], log("node-http"));
  const sides: Side[] = [
    { name: "Bun.serve", url: `http://127.0.0.1:${bunPort}`, pids: [bun.pid] },
    { name: "node", url: `http://127.0.0.1:${nodePort}`, pids: [node.pid] },
  ];
  await untilReady(bun, `${sides[0]?.url}/`);
  await untilReady(node, `${sides[1]?.url}/`);
  const started: Started[] = [bun, node];
  const nginx = await startNginx(bench, bunPort);
  if (nginx === undefined)
    return { sides, started, notes: ["nginx is not installed: not compared"] };
  sides.push({ name: "nginx", url: nginx.url, pids: [nginx.process.pid, bun.pid] });
  started.push(nginx.process);
  return {
    sides,
    started,
    notes: ["nginx: in front of Bun.serve, its CPU counted with that of Bun"],
  };
}

interface Load {
  workload: Workload;
  connections: number;
  key: string;
  /** Nothing is set up any more. */
  warm: boolean;
}

async function runAll(bench: Bench, sides: Side[], load: Load): Promise<LoadRun[]> {
  const runs: LoadRun[] = [];
  const pids = sides.flatMap((side) => side.pids);
  const alone = load.connections === 1;
  if (alone) await offFirstCore(pids);
  for (const side of sides) runs.push(await once(bench, side, load));
  if (alone) await onAllCores(pids);
  return runs;
}

async function once(bench: Bench, side: Side, load: Load): Promise<LoadRun> {
  const { workload, connections, key } = load;
  const meters = side.pids.map((pid) => new CpuMeter(pid, "native"));
  const result = await wrk({
    url: `${side.url}${workload.path}`,
    headers: keyHeader(key),
    connections,
    seconds: load.warm ? pick(bench, 3, 1) : 1,
    ...(connections === 1 ? { prefix: ON_FIRST_CORE } : {}),
    ...(workload.body === undefined ? {} : { script: postScript(bench, workload.body) }),
  });
  const used = meters.reduce((sum, meter) => sum + meter.read().total, 0);
  const cpuUs = used / result.requests;
  return { side: side.name, workload: workload.name, connections, cpuUs, ...result };
}

/** The script that makes wrk send a body. */
function postScript(bench: Bench, bytes: number): string {
  const file = join(bench.directory, `post-${bytes}.lua`);
  writeFileSync(file, `wrk.method = "POST"\nwrk.body = string.rep("x", ${bytes})\n`);
  return file;
}

const FIGURES = [
  ["rate", "throughput", "req/s"],
  ["p50Us", "p50", "µs"],
  ["p99Us", "p99", "µs"],
  ["cpuUs", "CPU per request", "µs"],
] as const;

function rows(runs: LoadRun[]): Row[] {
  const peers = [...new Set(runs.map((run) => run.side))].filter((side) => side !== "BunBase");
  return WORKLOADS.flatMap(({ name, connections }) =>
    connections.flatMap((count) =>
      FIGURES.flatMap(([figure, text, unit]) => {
        const of = (side: string) =>
          median(
            runs
              .filter(
                (run) => run.side === side && run.workload === name && run.connections === count,
              )
              .map((run) => run[figure]),
          );
        return peers.map((peer) => ({
          measurement: `${name}, ${count} conn., ${text}, against ${peer}`,
          unit,
          bunbase: of("BunBase"),
          peer: of(peer),
        }));
      }),
    ),
  );
}
