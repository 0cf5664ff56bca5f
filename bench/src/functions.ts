// Part a: a deployed function through the gateway, with key check, call log and metrics on, against
// `Bun.serve` alone.

import { join } from "node:path";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { Installation, keyHeader, logCounters } from "./bunbase.ts";
import { median } from "./numbers.ts";
import { ON_FIRST_CORE, offFirstCore, onAllCores } from "./pin.ts";
import { CpuMeter } from "./proc.ts";
import { freePort, start, untilReady } from "./process.ts";
import type { Goal, Report, Row } from "./report.ts";
import { type WrkRun, wrk } from "./wrk.ts";

const UNPINNED = [128, 16];

interface Side {
  name: "bunbase" | "peer";
  url: string;
  pid: number;
  runs: "js" | "native";
}

interface Run extends WrkRun {
  connections: number;
  side: Side["name"];
  frontUs: number;
  workersUs: number;
  jsUs: number;
  totalUs: number;
}

export async function functions(bench: Bench): Promise<Report> {
  const installation = new Installation(bench, "functions");
  const server = await installation.start();
  const keys = await installation.setUp(server);
  await installation.deployHello(server, keys);
  const port = freePort();
  const peer = start(
    "Bun.serve",
    [process.execPath, join(import.meta.dir, "../peers/bun-serve.ts"), `${port}`],
    {
      log: join(bench.directory, "bun-serve.log"),
    },
  );
  await untilReady(peer, `http://127.0.0.1:${port}/`);

  const sides: Side[] = [
    { name: "peer", url: `http://127.0.0.1:${port}/`, pid: peer.pid, runs: "js" },
    {
      name: "bunbase",
      url: `${server.url}/v1/functions/hello`,
      pid: server.process.pid,
      runs: "native",
    },
  ];
  const measured = await measure(bench, sides, keyHeader(keys.public_key));
  const log = await logCounters(server.url);
  await peer.stop();
  await server.process.stop();
  return {
    part: "a",
    title: "Deployed function through the gateway: GET, hello JSON",
    peer: "Bun.serve alone, the same request",
    rows: rows(measured),
    notes: [
      "CPU per request is of all processes of a side; JS thread is the main thread of the Bun processes.",
      "At 1 connection wrk has the first core and the servers the others; else nothing is pinned.",
      `answers that were no success: ${measured.reduce((sum, each) => sum + each.errors, 0)}`,
      ...log,
    ],
    runs: measured,
  };
}

async function measure(
  bench: Bench,
  sides: Side[],
  headers: Record<string, string>,
): Promise<Run[]> {
  const seconds = pick(bench, 10, 1);
  const measured: Run[] = [];
  for (const side of sides) await once(side, { headers, connections: 128, seconds: 2 });
  for (let round = 1; round <= ROUNDS; round++) {
    for (const connections of UNPINNED) {
      for (const side of sides) measured.push(await once(side, { headers, connections, seconds }));
    }
    const pids = sides.map((side) => side.pid);
    await offFirstCore(pids);
    for (const side of sides) {
      measured.push(await once(side, { headers, connections: 1, seconds, prefix: ON_FIRST_CORE }));
    }
    await onAllCores(pids);
    console.log(`    round ${round} of ${ROUNDS}`);
  }
  return measured;
}

interface Load {
  headers: Record<string, string>;
  connections: number;
  seconds: number;
  prefix?: string[];
}

async function once(side: Side, load: Load): Promise<Run> {
  const meter = new CpuMeter(side.pid, side.runs);
  const result = await wrk({ url: side.url, ...load });
  const used = meter.read();
  const each = (us: number) => us / result.requests;
  return {
    side: side.name,
    connections: load.connections,
    ...result,
    frontUs: each(used.front),
    workersUs: each(used.workers),
    jsUs: each(used.js),
    totalUs: each(used.total),
  };
}

type Figure = "rate" | "p50Us" | "p99Us" | "frontUs" | "workersUs" | "jsUs" | "totalUs";

function rows(measured: Run[]): Row[] {
  const of = (side: Side["name"], connections: number, figure: Figure) =>
    median(
      measured
        .filter((run) => run.side === side && run.connections === connections)
        .map((run) => run[figure]),
    );
  const row = (
    connections: number,
    figure: Figure,
    text: string,
    unit: string,
    ...goals: Goal[]
  ): Row => ({
    measurement: `${text}, ${connections} conn.`,
    unit,
    bunbase: of("bunbase", connections, figure),
    peer: of("peer", connections, figure),
    goals,
  });
  const all: Row[] = [
    row(128, "rate", "throughput", "req/s", { of: "ratio", least: 0.7 }),
    row(128, "totalUs", "CPU per request", "µs", { of: "ratio", most: 1.2 }),
    row(128, "jsUs", "CPU of the JS thread", "µs", { of: "ratio", most: 0.5 }),
    row(128, "frontUs", "CPU of the server process", "µs"),
    row(128, "workersUs", "CPU of the workers", "µs"),
    row(128, "p50Us", "latency p50", "µs"),
    row(128, "p99Us", "latency p99", "µs"),
    row(16, "rate", "throughput", "req/s"),
    row(16, "totalUs", "CPU per request", "µs"),
    row(16, "p50Us", "latency p50", "µs"),
    row(16, "p99Us", "latency p99", "µs"),
    row(1, "rate", "throughput", "req/s"),
    row(1, "totalUs", "CPU per request", "µs"),
    row(1, "p50Us", "latency p50", "µs", { of: "difference", most: 60 }),
    row(1, "p99Us", "latency p99", "µs", { of: "difference", most: 1_000 }),
  ];
  // The peer has one process: there is nothing to put beside its parts.
  return all.map((each) => {
    if (!each.measurement.match(/server process|workers/)) return each;
    const { peer: _, ...own } = each;
    return own;
  });
}
