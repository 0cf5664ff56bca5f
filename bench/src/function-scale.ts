// Part h, second half: how cold starts spread, what a thousand deployed functions cost while most of them are idle,
// and whether memory grows under load.

import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BunbaseServer, Installation, keyHeader } from "./bunbase.ts";
import { firstCalls } from "./cold-start.ts";
import { median, quantile } from "./numbers.ts";
import { type Memory, memoryOf } from "./proc.ts";
import type { Row } from "./report.ts";
import { wrk } from "./wrk.ts";

const CALLED = 10;
const DEPLOYED_AT_ONCE = 8;
/** While a thousand functions are deployed: the workers that each deployment leaves warm have to go. */
const SHORT_IDLE = { BUNBASE_FUNCTIONS__IDLE_TIMEOUT_MS: "1000" };
const SETTLE_MS = 3_000;
const SAMPLE_MS = 5_000;

export interface Scaled {
  rows: Row[];
  runs: unknown;
}

function row(measurement: string, unit: string, bunbase: number): Row {
  return { measurement, unit, bunbase };
}

const RUNTIMES = ["bun", "quickjs"] as const;

/** First calls of a tiny function after a restart: 200 of them in each runtime, and as many second ones. */
export async function coldStarts(bench: Bench): Promise<Scaled> {
  const rows: Row[] = [];
  const runs: Record<string, FirstAndSecond> = {};
  for (const runtime of RUNTIMES) {
    const samples = await tinyCalls(bench, runtime);
    const title = `cold start in ${runtime}, ${samples.first.length} starts`;
    const at = (place: number) => (place === 1 ? "the slowest" : `p${place * 100}`);
    for (const place of [0.5, 0.9, 0.99, 1]) {
      rows.push(row(`${title}, ${at(place)}`, "ms", quantile(samples.first, place)));
    }
    rows.push(row(`warm call in ${runtime}, p50`, "ms", quantile(samples.second, 0.5)));
    runs[runtime] = samples;
  }
  return { rows, runs };
}

interface FirstAndSecond {
  first: number[];
  second: number[];
}

async function tinyCalls(bench: Bench, runtime: string): Promise<FirstAndSecond> {
  const functions = pick(bench, 40, 8);
  const installation = new Installation(bench, `cold-tiny-${runtime}`);
  const first = await installation.start();
  const keys = await installation.setUp(first);
  const names = Array.from({ length: functions }, (_, number) => `tiny-${number}`);
  for (const name of names) {
    const source = `export default () => Response.json({ hello: "${name}" });`;
    await deployInline(first, keys, { name, runtime, bundle: btoa(source) });
  }
  await first.process.stop();
  const samples: FirstAndSecond = { first: [], second: [] };
  for (let round = 1; round <= ROUNDS; round++) {
    const server = await installation.start();
    await Bun.sleep(SETTLE_MS);
    samples.first.push(...(await firstCalls(bench, server, keys.public_key, names)));
    samples.second.push(...(await firstCalls(bench, server, keys.public_key, names)));
    await server.process.stop();
    console.log(`    cold starts in ${runtime}, round ${round} of ${ROUNDS}`);
  }
  return samples;
}

/** A thousand functions, ten of which are called. */
export async function manyFunctions(bench: Bench): Promise<Scaled> {
  const count = pick(bench, 1000, 100);
  const installation = new Installation(bench, "many");
  const empty = await installation.start(SHORT_IDLE);
  const keys = await installation.setUp(empty);
  await Bun.sleep(SETTLE_MS);
  const before = memoryOf(empty.process.pid);
  await deployMany(empty, keys, count);
  await empty.process.stop();

  const server = await installation.start();
  await Bun.sleep(SETTLE_MS);
  const idle = memoryOf(server.process.pid);
  for (let number = 0; number < CALLED; number++) {
    const url = `${server.url}/v1/functions/f${number}`;
    const answer = await fetch(url, { headers: keyHeader(keys.public_key) });
    if (!answer.ok) throw new Error(`f${number} answered ${answer.status}`);
    await answer.text();
  }
  await Bun.sleep(SETTLE_MS);
  const called = memoryOf(server.process.pid);
  await server.process.stop();
  const deployed = `${count} functions`;
  return {
    rows: [
      row("no function, server, RSS", "MiB", before.serverMiB),
      row(`${deployed}, all idle after a restart, server, RSS`, "MiB", idle.serverMiB),
      row(`${deployed}, ready after a restart`, "ms", server.readyMs),
      row(`${deployed}, ${CALLED} called, server, RSS`, "MiB", called.serverMiB),
      row(
        `${deployed}, ${CALLED} called, ${called.workers} workers, PSS`,
        "MiB",
        called.workersMiB,
      ),
    ],
    runs: { before, idle, called },
  };
}

interface Keys {
  project: string;
  secret_key: string;
}

/** Deploys one file without the command line; `deployment` is the body. */
async function deployInline(
  server: BunbaseServer,
  keys: Keys,
  deployment: { name: string; runtime?: string; bundle: string },
): Promise<void> {
  const answer = await fetch(`${server.url}/v1/projects/${keys.project}/functions`, {
    method: "POST",
    headers: { ...keyHeader(keys.secret_key), "content-type": "application/json" },
    body: JSON.stringify(deployment),
  });
  if (!answer.ok) throw new Error(`a deployment failed: ${await answer.text()}`);
  await answer.text();
}

async function deployMany(server: BunbaseServer, keys: Keys, count: number): Promise<void> {
  let next = 0;
  const deploy = async () => {
    for (let number = next++; number < count; number = next++) {
      const source = `export default () => Response.json({ hello: ${number} });`;
      await deployInline(server, keys, { name: `f${number}`, bundle: btoa(source) });
    }
  };
  await Promise.all(Array.from({ length: DEPLOYED_AT_ONCE }, deploy));
}

/** Memory over ten minutes of load on the function `handler`. */
export async function memoryUnderLoad(
  bench: Bench,
  server: BunbaseServer,
  key: string,
): Promise<Scaled> {
  const seconds = pick(bench, 600, 60);
  const url = `${server.url}/v1/functions/handler`;
  const load = wrk({ url, headers: keyHeader(key), connections: 64, seconds });
  const samples: Memory[] = [];
  let isOver = false;
  const over = load.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await Promise.race([over, Bun.sleep(SAMPLE_MS)]);
    samples.push(memoryOf(server.process.pid));
  }
  const { requests } = await over;
  // What is set up at first is no growth.
  const part = Math.max(1, Math.floor(samples.length / 5));
  const [early, late] = [samples.slice(part, 2 * part), samples.slice(-part)];
  const of = (taken: Memory[], figure: "serverMiB" | "workersMiB") =>
    median(taken.map((sample) => sample[figure]));
  const title = `${seconds} s of load, ${requests.toLocaleString("en-US")} calls`;
  return {
    rows: (["serverMiB", "workersMiB"] as const).flatMap((figure) => {
      const who = figure === "serverMiB" ? "server, RSS" : "workers, PSS";
      return [
        row(`${title}, ${who}, second fifth`, "MiB", of(early, figure)),
        row(`${title}, ${who}, last fifth`, "MiB", of(late, figure)),
        row(`${title}, ${who}, most`, "MiB", Math.max(...samples.map((sample) => sample[figure]))),
      ];
    }),
    runs: samples,
  };
}
