// Part d: start-up time, memory, size of the binary. The data directory is that of the demo: an account, a
// project, four functions and 135,233 documents.

import { statSync } from "node:fs";
import { join } from "node:path";
import { readState } from "../../tools/up/state.ts";
import { type Bench, ROUNDS } from "./bench.ts";
import { Installation, keyHeader } from "./bunbase.ts";
import { median } from "./numbers.ts";
import { MEBIBYTE, memoryOf } from "./proc.ts";
import { freePort, type Started, start, untilReady } from "./process.ts";
import type { Report, Row } from "./report.ts";

/** After a start and after a call, until spare workers stand ready and nothing is left to do. */
const SETTLE_MS = { full: 2_000, short: 1_000 };
const DEMO_MS_MAX = 300_000;

interface Run {
  upReadyMs: number;
  binaryReadyMs: number;
  idleServerMiB: number;
  idleWorkersMiB: number;
  idleWorkers: number;
  warmServerMiB: number;
  warmWorkersMiB: number;
  warmWorkers: number;
}

export async function footprint(bench: Bench): Promise<Report> {
  const installation = new Installation(bench, "footprint");
  const key = await loadDemo(bench, installation.dataDir);
  const runs: Run[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const upReadyMs = await startUp(bench, installation.dataDir);
    runs.push({ upReadyMs, ...(await once(bench, installation, key)) });
    console.log(`    round ${round} of ${ROUNDS}`);
  }
  const of = (figure: keyof Run) => median(runs.map((run) => run[figure]));
  const row = (measurement: string, unit: string, bunbase: number, most?: number): Row => ({
    measurement,
    unit,
    bunbase,
    goals: most === undefined ? [] : [{ of: "bunbase", most }],
  });
  const warm = median(runs.map((run) => run.warmServerMiB + run.warmWorkersMiB));
  return {
    part: "d",
    title: `Whole product: medians of ${ROUNDS} starts with the demo's data`,
    rows: [
      row("make up after the build, until /ready", "ms", of("upReadyMs"), 1_000),
      row("the binary alone, until /ready", "ms", of("binaryReadyMs"), 300),
      row("server idle, RSS", "MiB", of("idleServerMiB"), 60),
      row(`its ${of("idleWorkers")} spare workers, PSS together`, "MiB", of("idleWorkersMiB")),
      row("server after a first call, RSS", "MiB", of("warmServerMiB")),
      row(`its ${of("warmWorkers")} workers, PSS together`, "MiB", of("warmWorkersMiB")),
      row("server and workers with one warm worker", "MiB", warm, 110),
      row("binary", "MiB", statSync(bench.binary).size / MEBIBYTE, 60),
    ],
    notes: [
      "`make up` is measured without make: the program that it runs when everything is built.",
    ],
    runs,
  };
}

/** Gives the public key of the demo's project. */
async function loadDemo(bench: Bench, dataDir: string): Promise<string> {
  const url = `http://127.0.0.1:${freePort()}`;
  const up = launch(bench, dataDir, url);
  await untilReady(up, `${url}/ready`);
  const since = performance.now();
  while (performance.now() - since < DEMO_MS_MAX && !up.hasEnded()) {
    const state = await readState(dataDir);
    if (state?.done && state.public_key) {
      await up.stop();
      return state.public_key;
    }
    await Bun.sleep(200);
  }
  throw new Error(`the demo was not loaded:\n${await Bun.file(up.log).text()}`);
}

async function startUp(bench: Bench, dataDir: string): Promise<number> {
  const url = `http://127.0.0.1:${freePort()}`;
  const since = performance.now();
  const up = launch(bench, dataDir, url);
  const readyMs = await untilReady(up, `${url}/ready`, since);
  await up.stop();
  return readyMs;
}

function launch(bench: Bench, dataDir: string, url: string): Started {
  const root = join(import.meta.dir, "../..");
  return start("make up", [join(root, "tools/bun"), join(root, "tools/up.ts"), bench.binary], {
    log: join(bench.directory, "up.log"),
    env: { BUNBASE_DATA_DIR: dataDir, BUNBASE_LISTEN: url.replace("http://", "") },
  });
}

async function once(
  bench: Bench,
  installation: Installation,
  key: string,
): Promise<Omit<Run, "upReadyMs">> {
  const server = await installation.start();
  await Bun.sleep(SETTLE_MS[bench.length]);
  const idle = memoryOf(server.process.pid);
  const headers = keyHeader(key);
  const answer = await fetch(`${server.url}/v1/functions/stats`, { headers });
  if (!answer.ok) throw new Error(`stats answered ${answer.status}: ${await answer.text()}`);
  await answer.text();
  await Bun.sleep(SETTLE_MS[bench.length]);
  const warm = memoryOf(server.process.pid);
  await server.process.stop();
  return {
    binaryReadyMs: server.readyMs,
    idleServerMiB: idle.serverMiB,
    idleWorkersMiB: idle.workersMiB,
    idleWorkers: idle.workers,
    warmServerMiB: warm.serverMiB,
    warmWorkersMiB: warm.workersMiB,
    warmWorkers: warm.workers,
  };
}
