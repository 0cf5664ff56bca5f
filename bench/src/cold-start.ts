// Part b: cold starts through the gateway. After a restart of the server no worker has loaded any function,
// so the first call of each one is a cold start on a spare worker.

import { statSync } from "node:fs";
import { join } from "node:path";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BunbaseServer, Installation, keyHeader } from "./bunbase.ts";
import { writeLarge, writeModules, writeTiny } from "./bundles.ts";
import { median, quantile } from "./numbers.ts";
import { run } from "./process.ts";
import type { Report, Row } from "./report.ts";

/** After a start, until the spare workers stand ready. */
const SETTLE_MS = { full: 2_000, short: 1_000 };
const PAUSE_MS = 250;

type Kind = "tiny" | "large";

interface Round {
  kind: Kind;
  samplesMs: number[];
}

export async function coldStart(bench: Bench): Promise<Report> {
  const functions = pick(bench, 30, 6);
  const installation = new Installation(bench, "cold");
  const first = await installation.start();
  const keys = await installation.setUp(first);
  const sources = join(bench.directory, "bundles");
  writeModules(sources);
  const names: Record<Kind, string[]> = { tiny: [], large: [] };
  for (let number = 1; number <= functions; number++) {
    const [tiny, large] = [`tiny-${number}`, `large-${number}`];
    await installation.deploy(first, keys, tiny, writeTiny(sources, tiny));
    await installation.deploy(first, keys, large, writeLarge(sources, large));
    names.tiny.push(tiny);
    names.large.push(large);
  }
  await first.process.stop();

  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const server = await installation.start();
    await Bun.sleep(SETTLE_MS[bench.length]);
    for (const kind of ["tiny", "large"] as const) {
      const samplesMs = await firstCalls(bench, server, keys.public_key, names[kind]);
      rounds.push({ kind, samplesMs });
    }
    await server.process.stop();
    console.log(`    round ${round} of ${ROUNDS}`);
  }
  const size = await minifiedBytes(bench, join(sources, "large-1.ts"));
  return {
    part: "b",
    title: `Cold start through the gateway: first call of ${functions} functions after each of ${ROUNDS} restarts`,
    rows: [
      row(rounds, "tiny", "p50", 0.5, 5),
      row(rounds, "tiny", "p90", 0.9),
      row(rounds, "large", "p50", 0.5, 25),
      row(rounds, "large", "p90", 0.9),
    ],
    notes: [
      `The large bundle is ${(size / 1e6).toFixed(2)} MB minified; functions are deployed with the command line.`,
      `Calls come ${PAUSE_MS} ms apart on an open connection. Medians of the rounds; files are in the page cache.`,
    ],
    runs: rounds,
  };
}

/** How long the first call of each function takes, in milliseconds. */
export async function firstCalls(
  bench: Bench,
  server: BunbaseServer,
  key: string,
  names: string[],
): Promise<number[]> {
  const headers = Object.entries(keyHeader(key)).map(([name, value]) => `${name}: ${value}`);
  const to = ["--address", server.address, ...headers.flatMap((line) => ["--header", line])];
  const paths = names.map((name) => `/v1/functions/${name}`);
  const pause = ["--pause-ms", String(PAUSE_MS)];
  const output = await run([bench.load, "first-calls", ...to, ...pause, ...paths]);
  return (JSON.parse(output) as { samples_ms: number[] }).samples_ms;
}

function row(rounds: Round[], kind: Kind, text: string, at: number, most?: number): Row {
  const values = rounds
    .filter((round) => round.kind === kind)
    .map((round) => quantile(round.samplesMs, at));
  const goals = most === undefined ? [] : [{ of: "bunbase" as const, most }];
  return {
    measurement: `${kind === "tiny" ? "tiny" : "1 MB bundle"}, ${text}`,
    unit: "ms",
    bunbase: median(values),
    goals,
  };
}

async function minifiedBytes(bench: Bench, entry: string): Promise<number> {
  const out = join(bench.directory, "large.min.js");
  await run([process.execPath, "build", entry, "--target=bun", "--minify", `--outfile=${out}`]);
  return statSync(out).size;
}
