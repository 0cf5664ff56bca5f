// Part c: durable inserts, reads by id and queries over HTTP, 64 in flight, against PostgreSQL jsonb behind a
// small axum server; and a thousand live queries.

import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BunbaseServer, Installation, keyHeader } from "./bunbase.ts";
import { liveRows, measureLive, SHAPES } from "./live.ts";
import { median } from "./numbers.ts";
import { type PostgresPeer, postgresSettings, startPostgres } from "./postgres.ts";
import { CpuMeter } from "./proc.ts";
import { run } from "./process.ts";
import type { Goal, Report, Row } from "./report.ts";

const IN_FLIGHT = 64;
/** A query without an index reads every document: fewer in flight, or they only wait for each other. */
const SCANS_IN_FLIGHT = 4;
const RULE = "request.resource.data.age >= 18 && request.resource.data.name != ''";
const INDEX_MS_MAX = 60_000;

type Operation = "insert" | "read" | "query" | "scan";

interface Side {
  name: string;
  address: string;
  headers: Record<string, string>;
  /** Where inserts go. */
  inserts: string;
  /** Server processes whose CPU time counts. */
  pids: Record<string, number>;
}

interface LoadReport {
  requests: number;
  requests_with_warmup: number;
  errors: number;
  rate: number;
  p50_us: number;
  p90_us: number;
  p99_us: number;
}

interface Run extends LoadReport {
  side: string;
  operation: Operation;
  /** Microseconds for each request, by process. */
  cpuUs: Record<string, number>;
}

export async function documents(bench: Bench): Promise<Report> {
  const installation = new Installation(bench, "documents");
  const server = await installation.start();
  const keys = await installation.setUp(server);
  const postgres = await startPostgres(bench);
  const bunbase = (name: string, key: string, inserts: string): Side => ({
    name,
    address: server.address,
    headers: keyHeader(key),
    inserts,
    pids: { server: server.process.pid },
  });
  const secret = bunbase("sk_ key", keys.secret_key, "inserts");
  const open = bunbase("pk_ key, rule true", keys.public_key, "open");
  const checked = bunbase("pk_ key, rule over the document", keys.public_key, "checked");
  const peer: Side = {
    name: "PostgreSQL",
    address: postgres.address,
    headers: {},
    inserts: "inserts",
    pids: { server: postgres.server.pid, postgres: postgres.database.pid },
  };
  const filled = await prepare(bench, server, secret, postgres, peer);

  const measured: Run[] = [];
  const seconds: Record<Operation, number> = {
    insert: pick(bench, 10, 1.5),
    read: pick(bench, 10, 1),
    query: pick(bench, 10, 1),
    scan: pick(bench, 3, 1),
  };
  const plan: [Operation, Side[]][] = [
    ["insert", [peer, secret, open, checked]],
    ["read", [peer, secret]],
    ["query", [peer, secret]],
    ["scan", [peer, secret]],
  ];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [operation, sides] of plan) {
      for (const side of sides)
        measured.push(await once(bench, side, operation, seconds[operation]));
    }
    console.log(`    round ${round} of ${ROUNDS}`);
  }
  await postgres.stop();
  const live = await measureLive(bench, server, keys.secret_key);
  await server.process.stop();
  return {
    part: "c",
    title: `Documents of about 400 B over HTTP, ${IN_FLIGHT} in flight, 100,000 documents`,
    peer: "PostgreSQL 15 jsonb behind axum",
    rows: [...rows(measured, [secret, open, checked]), ...liveRows(live)],
    notes: [
      `PostgreSQL: ${postgresSettings}; Unix socket, 64 connections for writes, 4 pipelined for reads.`,
      "BunBase: every insert is answered after its fsync; inserts that wait together share one.",
      `rule over the document: ${RULE}`,
      `filled in batches of 200, one at a time: BunBase ${filled.bunbase} documents/s, peer ${filled.peer}`,
      ...cpuSplit(measured),
      `answers that were not as expected: ${measured.reduce((sum, each) => sum + each.errors, 0)}`,
    ],
    runs: { measured, live },
  };
}

async function prepare(
  bench: Bench,
  server: BunbaseServer,
  secret: Side,
  postgres: PostgresPeer,
  peer: Side,
): Promise<{ bunbase: number; peer: number }> {
  const api = new DatabaseApi(server.url, secret.headers);
  for (const [name, create] of [
    ["docs"],
    ["live"],
    ["inserts"],
    ["open", "true"],
    ["checked", RULE],
  ]) {
    await api.call("POST", "/collections", { name });
    if (create) await api.call("PUT", `/collections/${name}/rules`, { rules: { create } });
  }
  for (const { collection } of SHAPES) await api.call("POST", "/collections", { name: collection });
  await api.call("POST", "/collections/docs/indexes", { field: "city" });
  const bunbaseRate = await fill(bench, secret);
  const peerRate = await fill(bench, peer);
  await postgres.analyze();
  await api.untilIndexed("docs");
  return { bunbase: Math.round(bunbaseRate), peer: Math.round(peerRate) };
}

async function fill(bench: Bench, side: Side): Promise<number> {
  const output = await run([bench.load, "fill", ...target(side), "--collection", "docs"]);
  return (JSON.parse(output) as { rate: number }).rate;
}

async function once(bench: Bench, side: Side, operation: Operation, seconds: number): Promise<Run> {
  const meters = Object.entries(side.pids).map(
    ([name, pid]) => [name, new CpuMeter(pid, "native")] as const,
  );
  const inFlight = operation === "scan" ? SCANS_IN_FLIGHT : IN_FLIGHT;
  const collection = operation === "insert" ? side.inserts : "docs";
  const load = [
    "--operation",
    operation,
    "--collection",
    collection,
    "--in-flight",
    String(inFlight),
  ];
  const output = await run([
    bench.load,
    "http",
    ...target(side),
    ...load,
    "--seconds",
    String(seconds),
  ]);
  const report = JSON.parse(output) as LoadReport;
  const each = (meter: CpuMeter) => meter.read().total / report.requests_with_warmup;
  const cpuUs = Object.fromEntries(meters.map(([name, meter]) => [name, each(meter)]));
  return { ...report, side: side.name, operation, cpuUs };
}

function target(side: Side): string[] {
  const headers = Object.entries(side.headers).map(([name, value]) => `${name}: ${value}`);
  return ["--address", side.address, ...headers.flatMap((line) => ["--header", line])];
}

type Figure = "rate" | "p50_us" | "p99_us";

function rows(measured: Run[], inserting: Side[]): Row[] {
  const of = (side: string, operation: Operation, figure: Figure) =>
    median(
      measured
        .filter((run) => run.side === side && run.operation === operation)
        .map((run) => run[figure]),
    );
  const row = (
    side: string,
    operation: Operation,
    figure: Figure,
    text: string,
    ...goals: Goal[]
  ): Row => {
    const scale = figure === "rate" ? 1 : 1_000;
    return {
      measurement: text,
      unit: figure === "rate" ? "/s" : "ms",
      bunbase: of(side, operation, figure) / scale,
      peer: of("PostgreSQL", operation, figure) / scale,
      goals,
    };
  };
  const insertGoals: Goal[] = [
    { of: "bunbase", least: 8_000 },
    { of: "ratio", least: 1.5 },
  ];
  const key = "sk_ key";
  return [
    ...inserting.flatMap(({ name }) => [
      row(name, "insert", "rate", `inserts, ${name}`, ...insertGoals),
      row(name, "insert", "p50_us", `inserts, ${name}, p50`),
      row(name, "insert", "p99_us", `inserts, ${name}, p99`),
    ]),
    row(key, "read", "rate", "reads by id", { of: "ratio", least: 1.5 }),
    row(key, "read", "p50_us", "reads by id, p50", { of: "bunbase", most: 1 }),
    row(key, "read", "p99_us", "reads by id, p99"),
    row(key, "query", "rate", "indexed query, 20 of 100 k", { of: "ratio", least: 1 }),
    row(key, "query", "p50_us", "indexed query, p50"),
    row(key, "scan", "rate", "the same without an index, 4 in flight"),
  ];
}

/** Where the time goes, for each side and operation. */
function cpuSplit(measured: Run[]): string[] {
  const groups = Map.groupBy(measured, (run) => `${run.operation}, ${run.side}`);
  return [...groups].map(([group, runs]) => {
    const names = Object.keys(runs[0]?.cpuUs ?? {});
    const parts = names.map(
      (name) => `${name} ${median(runs.map((run) => run.cpuUs[name] ?? 0)).toFixed(1)}`,
    );
    return `CPU µs per request, ${group}: ${parts.join(" + ")}`;
  });
}

/** The administrative calls that the set-up makes. */
class DatabaseApi {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, headers: Record<string, string>) {
    this.#url = url;
    this.#headers = headers;
  }

  async call<R>(method: string, path: string, body?: unknown): Promise<R> {
    const headers = { ...this.#headers, "content-type": "application/json" };
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${this.#url}/v1/database${path}`, { method, headers, ...init });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as R;
  }

  async untilIndexed(collection: string): Promise<void> {
    const since = performance.now();
    while (performance.now() - since < INDEX_MS_MAX) {
      const path = `/collections/${collection}/indexes`;
      const { indexes } = await this.call<{ indexes: { state: string }[] }>("GET", path);
      if (indexes.length > 0 && indexes.every(({ state }) => state === "ready")) return;
      await Bun.sleep(100);
    }
    throw new Error(`the index of ${collection} was not ready after ${INDEX_MS_MAX / 1_000} s`);
  }
}
