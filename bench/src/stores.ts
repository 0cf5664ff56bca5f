// Part g: bundoc in process against PostgreSQL jsonb and SQLite json with equal durability: YCSB, a load of a
// million documents with an index, latency as a collection grows, and ten thousand projects.

import { join } from "node:path";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { median } from "./numbers.ts";
import { type PostgresDatabase, postgresSettings, startDatabase } from "./postgres.ts";
import { run } from "./process.ts";
import type { Goal, Report, Row } from "./report.ts";

const MEBIBYTE = 2 ** 20;
const PROJECTS = 10_000;
const CLIENTS = 32;

const STORES = ["bundoc", "postgres", "sqlite"] as const;
type Store = (typeof STORES)[number];

interface Summary {
  count: number;
  p50_us: number;
  p95_us: number;
  p99_us: number;
}

interface Ycsb {
  store: Store;
  load_rate: number;
  disk_bytes: number;
  workloads: { workload: string; rate: number; reads: Summary; writes: Summary }[];
}

interface Growth {
  store: Store;
  load_rate: number;
  document_bytes: number;
  disk_bytes: number;
  written_bytes: number;
  index_seconds: number;
  sizes: { documents: number; read: Summary; insert: Summary; query: Summary | null }[];
}

interface Projects {
  projects: number;
  open_seconds: number;
  rss_after_open: number;
  rss_after_reads: number;
  first_read: Summary;
}

export async function stores(bench: Bench): Promise<Report> {
  const database = await startDatabase(bench);
  const ycsb: Ycsb[] = [];
  const rounds = pick(bench, ROUNDS, 3);
  for (let round = 1; round <= rounds; round++) {
    for (const store of STORES) ycsb.push(await ycsbOf(bench, database, store, round));
    console.log(`    YCSB, round ${round} of ${rounds}`);
  }
  const growth: Growth[] = [];
  for (const store of STORES) {
    growth.push(await growthOf(bench, database, store));
    console.log(`    growth, ${store}`);
  }
  await database.process.stop();
  const projects = await projectsOf(bench);
  return {
    part: "g",
    title: `Documents in process, ${CLIENTS} clients, every write on disk before its answer`,
    peer: "PostgreSQL 15 jsonb over a Unix socket",
    rows: [...ycsbRows(ycsb), ...growthRows(growth), ...projectRows(projects)],
    notes: [
      `PostgreSQL: ${postgresSettings}; read committed. SQLite: WAL, synchronous=FULL, JSON text, a connection for each client.`,
      "bundoc: default options, one fsync for each group of writes; serial writes, snapshot reads.",
      `YCSB: ${ycsbRecords(bench)} records of 10 x 100 B, Zipfian 0.99; medians of ${rounds} interleaved runs. Growth: one run.`,
    ],
    runs: { ycsb, growth, projects },
  };
}

function target(bench: Bench, database: PostgresDatabase, store: Store, name: string): string[] {
  const place =
    store === "postgres"
      ? ["--postgres", database.connection]
      : ["--directory", join(bench.directory, `${store}-${name}`)];
  return ["--store", store, ...place];
}

function ycsbRecords(bench: Bench): number {
  return pick(bench, 100_000, 50_000);
}

async function ycsbOf(
  bench: Bench,
  database: PostgresDatabase,
  store: Store,
  round: number,
): Promise<Ycsb> {
  const seconds = String(pick(bench, 10, 2));
  const output = await run([
    bench.stores,
    "ycsb",
    ...target(bench, database, store, `ycsb-${round}`),
    ...["--records", String(ycsbRecords(bench)), "--clients", String(CLIENTS)],
    ...["--seconds", seconds],
  ]);
  return { ...(JSON.parse(output) as Ycsb), store };
}

async function growthOf(bench: Bench, database: PostgresDatabase, store: Store): Promise<Growth> {
  const sizes = pick(bench, 1, 0) === 1 ? "10000,100000,1000000" : "10000,100000";
  const output = await run([
    bench.stores,
    "grow",
    ...target(bench, database, store, "growth"),
    ...["--sizes", sizes, "--seconds", String(pick(bench, 3, 1))],
  ]);
  return { ...(JSON.parse(output) as Growth), store };
}

/** Made in one process and measured in another, which has only what it opened. */
async function projectsOf(bench: Bench): Promise<Projects> {
  const where = ["--directory", join(bench.directory, "projects"), "--projects", String(PROJECTS)];
  await run([bench.stores, "projects", ...where]);
  return JSON.parse(await run([bench.stores, "projects", ...where, "--open"])) as Projects;
}

function ycsbRows(runs: Ycsb[]): Row[] {
  const figure = (
    store: Store,
    workload: string,
    of: (found: Ycsb["workloads"][number]) => number,
  ) => {
    const found = runs.filter((each) => each.store === store).flatMap((each) => each.workloads);
    return median(found.filter((each) => each.workload === workload).map(of));
  };
  const goals: Goal[] = [{ of: "ratio", least: 1 }];
  return ["A", "B", "C", "E"].flatMap((workload): Row[] => {
    const rate = (store: Store) => figure(store, workload, (found) => found.rate);
    const p99 = (store: Store) => figure(store, workload, (found) => found.reads.p99_us) / 1_000;
    return [
      {
        measurement: `YCSB ${workload}`,
        unit: "/s",
        bunbase: rate("bundoc"),
        peer: rate("postgres"),
        goals,
      },
      {
        measurement: `YCSB ${workload}, against SQLite`,
        unit: "/s",
        bunbase: rate("bundoc"),
        peer: rate("sqlite"),
        goals,
      },
      {
        measurement: `YCSB ${workload}, reads p99`,
        unit: "ms",
        bunbase: p99("bundoc"),
        peer: p99("postgres"),
      },
    ];
  });
}

function growthRows(runs: Growth[]): Row[] {
  const of = (store: Store) => {
    const found = runs.find((each) => each.store === store);
    if (found === undefined) throw new Error(`${store} was not measured`);
    return found;
  };
  const [bundoc, postgres, sqlite] = [of("bundoc"), of("postgres"), of("sqlite")];
  const row = (measurement: string, unit: string, figure: (found: Growth) => number): Row[] => [
    { measurement, unit, bunbase: figure(bundoc), peer: figure(postgres) },
    {
      measurement: `${measurement}, against SQLite`,
      unit,
      bunbase: figure(bundoc),
      peer: figure(sqlite),
    },
  ];
  const last = bundoc.sizes.length - 1;
  const total = bundoc.sizes[last]?.documents ?? 0;
  const sizes = bundoc.sizes.flatMap(({ documents }, at) => [
    ...row(
      `read by id, ${documents} documents, p50`,
      "µs",
      (found) => found.sizes[at]?.read.p50_us ?? 0,
    ),
    ...row(
      `insert, ${documents} documents, p50`,
      "µs",
      (found) => found.sizes[at]?.insert.p50_us ?? 0,
    ),
  ]);
  return [
    ...row(`load of ${total}, batches of 100, 8 clients`, "/s", (found) => found.load_rate),
    ...row("index over the loaded documents", "s", (found) => found.index_seconds),
    ...row(
      `indexed query, 20 of ${total}, p50`,
      "µs",
      (found) => found.sizes[last]?.query?.p50_us ?? 0,
    ),
    ...row(
      "bytes on disk per byte of JSON",
      "",
      (found) => found.disk_bytes / found.document_bytes,
    ),
    {
      measurement: "bytes written per byte of JSON",
      unit: "",
      bunbase: bundoc.written_bytes / bundoc.document_bytes,
      peer: sqlite.written_bytes / sqlite.document_bytes,
    },
    ...sizes,
  ];
}

function projectRows(projects: Projects): Row[] {
  const name = `${projects.projects} projects of 20 documents`;
  return [
    {
      measurement: `${name}, memory after all were read`,
      unit: "MiB",
      bunbase: projects.rss_after_reads / MEBIBYTE,
      goals: [{ of: "bunbase", most: 400 }],
    },
    {
      measurement: `${name}, start`,
      unit: "ms",
      bunbase: projects.open_seconds * 1_000,
    },
    {
      measurement: "first read of one of them, p99",
      unit: "ms",
      bunbase: projects.first_read.p99_us / 1_000,
      goals: [{ of: "bunbase", most: 20 }],
    },
  ];
}
