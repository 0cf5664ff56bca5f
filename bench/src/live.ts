// The live half of part c: a thousand subscribers of live queries, who all ask the same or each a value of
// their own, while documents are inserted at a steady rate.

import { type Bench, pick } from "./bench.ts";
import { type BunbaseServer, keyHeader } from "./bunbase.ts";
import { median } from "./numbers.ts";
import { run } from "./process.ts";
import type { Row } from "./report.ts";

const SUBSCRIBERS = 1_000;
const KIBIBYTE = 2 ** 10;
/** Inserts a second: in both shapes one core's worth of work, so that the delay is not that of a queue. */
export const SHAPES = [
  { name: "one query", collection: "live-one", queries: 1, query: {}, inserts: 20 },
  {
    name: "a value each",
    collection: "live-each",
    queries: SUBSCRIBERS,
    query: { topic: "{n}" },
    inserts: 2_000,
  },
];

interface Live {
  shape: string;
  server_rss_before: number;
  server_rss: number;
  delivered: number;
  expected: number;
  delivered_rate: number;
  server_cpu_us: number;
  p50_us: number;
  p95_us: number;
  p99_us: number;
}

/** Every document says when it was sent; each subscriber counts until it has read it. */
export async function measureLive(
  bench: Bench,
  server: BunbaseServer,
  key: string,
): Promise<Live[]> {
  const header = Object.entries(keyHeader(key))
    .map(([name, value]) => `${name}: ${value}`)
    .join();
  const measured: Live[] = [];
  for (let round = 1; round <= pick(bench, 5, 3); round++) {
    for (const shape of SHAPES) {
      const documents = `/v1/database/collections/${shape.collection}/documents`;
      const ask = JSON.stringify({ query: shape.query }).replace('"{n}"', "{n}");
      const output = await run([
        bench.load,
        "sse",
        ...["--address", server.address, "--header", header, "--key", header],
        ...["--path", `${documents}/query/subscribe`, "--ask", ask, "--publish", documents],
        ...["--connections", String(SUBSCRIBERS), "--topics", String(shape.queries)],
        ...["--rate", String(shape.inserts), "--seconds", String(pick(bench, 10, 4))],
        ...["--pid", String(server.process.pid)],
      ]);
      measured.push({ ...(JSON.parse(output) as Live), shape: shape.name });
    }
  }
  const lost = measured.filter((each) => each.delivered !== each.expected);
  if (lost.length > 0) throw new Error(`live queries missed changes: ${JSON.stringify(lost)}`);
  return measured;
}

function memoryOfEach(run: Live): number {
  return (run.server_rss - run.server_rss_before) / SUBSCRIBERS / KIBIBYTE;
}

export function liveRows(measured: Live[]): Row[] {
  return SHAPES.flatMap(({ name }) => {
    const runs = measured.filter((each) => each.shape === name);
    const of = (figure: (each: Live) => number) => median(runs.map(figure));
    const row = (measurement: string, unit: string, bunbase: number): Row => ({
      measurement: `${SUBSCRIBERS} live queries, ${name}: ${measurement}`,
      unit,
      bunbase,
    });
    return [
      row(
        "delivered",
        "changes/s",
        of((each) => each.delivered_rate),
      ),
      row(
        "insert to arrival, p50",
        "ms",
        of((each) => each.p50_us / 1_000),
      ),
      row(
        "insert to arrival, p95",
        "ms",
        of((each) => each.p95_us / 1_000),
      ),
      row(
        "CPU of the server for each, inserts included",
        "µs",
        of((each) => each.server_cpu_us),
      ),
      // The most: later rounds get memory that earlier ones gave back to the allocator.
      row("memory of each", "KiB", Math.max(...runs.map(memoryOfEach))),
    ];
  });
}
