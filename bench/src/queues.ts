// Part j, on SQLite and on PostgreSQL: small jobs of the queue alone; those of an application, from the first push to the last
// end and drained from a full queue; and how long after it was emitted an event is in its handler.

import { join } from "node:path";
import type { ProjectKeys } from "../../tools/up/developer.ts";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BunbaseServer, Installation, keyHeader, logCounters } from "./bunbase.ts";
import { median, quantile } from "./numbers.ts";
import { postgresSettings, startDatabase } from "./postgres.ts";
import { CpuMeter } from "./proc.ts";
import { run as runCommand } from "./process.ts";
import type { Goal, Report, Row } from "./report.ts";

const QUEUES = { nothing: "a handler that does nothing", row: "one that writes a row" };
type Queue = keyof typeof QUEUES;
const SHAPES = {
  pushed: "from the first push to the last end",
  drained: "from a full queue",
};
type Shape = keyof typeof SHAPES;
/** Topics as the application names them. */
const TOPICS = { "bench.memory": "in memory", "bench.durable": "durable" };
type Topic = keyof typeof TOPICS;

/** Jobs that one call of the application enqueues, and how many of these calls go on at once. */
const SHARE = 500;
const CALLS = 4;
/** Seldom enough that looking costs nothing beside the jobs. */
const POLL_MS = 50;
const JOBS_MS_MAX = 180_000;
const STORES = ["SQLite", "PostgreSQL"] as const;
type Store = (typeof STORES)[number];
const GOALS: Record<Store, Goal> = {
  SQLite: { of: "bunbase", least: 2_000 },
  PostgreSQL: { of: "bunbase", least: 5_000 },
};

interface JobRun {
  store: Store;
  queue: Queue;
  shape: Shape;
  jobs: number;
  rate: number;
  /** Of all processes, for each job. */
  cpuUs: number;
}

interface Reached {
  store: Store;
  server: BunbaseServer;
  keys: ProjectKeys;
  /** The application. */
  base: string;
}

/** What `cargo run -p jobs --example throughput` does, with a handler in the same process that does nothing. */
async function queueAlone(bench: Bench, databaseUrl: string): Promise<Row[]> {
  const jobs = pick(bench, 40_000, 10_000);
  const rows: Row[] = [];
  for (const store of STORES) {
    const rates: number[] = [];
    const environment = store === "SQLite" ? {} : { DATABASE_URL: databaseUrl };
    for (let round = 0; round <= ROUNDS; round++) {
      const command = [bench.jobs, bench.directory, String(jobs), "64", "128"];
      const said = await runCommand(command, environment);
      if (round > 0) rates.push(Number(said.match(/done (\d+)\/s/)?.[1]));
    }
    const measurement = `the queue alone on ${store}, from the first enqueue to the last end`;
    rows.push({ measurement, unit: "jobs/s", bunbase: median(rates), goals: [GOALS[store]] });
  }
  return rows;
}

/** Starts a server with the application on it, whose queue and rows are in `store`. */
async function withApplication(bench: Bench, store: Store, databaseUrl: string): Promise<Reached> {
  const installation = new Installation(bench, `queues-${store}`);
  const settings = {
    BUNBASE_JOBS__DATABASE_URL: databaseUrl,
    BUNBASE_FUNCTIONS__PRIVATE_HOSTS: '["127.0.0.1"]',
  };
  const server = await installation.start(store === "SQLite" ? {} : settings);
  const keys = await installation.setUp(server);
  if (store !== "SQLite") {
    await answered(`${server.url}/v1/projects/${keys.project}/env/DATABASE_URL`, {
      method: "PUT",
      headers: { ...keyHeader(keys.secret_key), "content-type": "application/json" },
      body: JSON.stringify({ value: databaseUrl }),
    });
  }
  await installation.deploy(server, keys, "bench-queues", join(import.meta.dir, "../queues"));
  return { store, server, keys, base: `${server.url}/v1/apps/${keys.project}` };
}

async function jobRuns(bench: Bench, reached: Reached): Promise<JobRun[]> {
  const jobs = pick(bench, 20_000, 4_000);
  const runs: JobRun[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const queue of Object.keys(QUEUES) as Queue[]) {
      for (const shape of Object.keys(SHAPES) as Shape[]) {
        const measured = await run(reached, { queue, shape, jobs });
        // The first round only warms up.
        if (round > 0) runs.push(measured);
      }
    }
    if (round > 0) console.log(`    jobs on ${reached.store}, round ${round} of ${ROUNDS}`);
  }
  return runs;
}

export async function queues(bench: Bench): Promise<Report> {
  const database = await startDatabase(bench);
  const alone = await queueAlone(bench, database.url);
  const runs: JobRun[] = [];
  let late: Record<Topic, number[]> | undefined;
  const counters: string[] = [];
  for (const store of STORES) {
    const reached = await withApplication(bench, store, database.url);
    runs.push(...(await jobRuns(bench, reached)));
    late ??= await latencies(reached, pick(bench, 2_000, 400));
    counters.push(...(await logCounters(reached.server.url)));
    await reached.server.process.stop();
  }
  await database.process.stop();
  return {
    part: "j",
    title: "Jobs and events of an application",
    rows: [
      ...alone,
      ...STORES.flatMap((store) => jobRows(runs, store)),
      ...(late === undefined ? [] : eventRows(late)),
    ],
    notes: [
      "Jobs, their ends and durable events are on disk before they are answered (SQLite, synchronous=FULL; PostgreSQL, synchronous_commit=on; the event log is synced).",
      "SQLite: serializable, one writer; rows go to the project's own file. PostgreSQL: read committed, over TCP; rows go there through the worker's pool. Each job is enqueued by a call of its own.",
      `The queue alone: 64 callers enqueue one job with each call, 128 run at once. PostgreSQL 15 with ${postgresSettings}.`,
      "64 jobs at once. CPU is of the server and its workers, without PostgreSQL.",
      ...counters,
    ],
    runs: { jobs: runs, late },
  };
}

async function run(
  reached: Reached,
  { queue, shape, jobs }: { queue: Queue; shape: Shape; jobs: number },
): Promise<JobRun> {
  await post(reached, "/setup", {});
  const before = await done(reached);
  if (shape === "drained") {
    await control(reached, queue, "pause");
    await push(reached, queue, jobs);
  }
  const meter = new CpuMeter(reached.server.process.pid, "native");
  const since = performance.now();
  if (shape === "drained") await control(reached, queue, "resume");
  else await push(reached, queue, jobs);
  await untilDone(reached, before + jobs);
  const seconds = (performance.now() - since) / 1_000;
  const cpuUs = meter.read().total / jobs;
  if (queue === "row") await check(reached, jobs);
  return { store: reached.store, queue, shape, jobs, rate: jobs / seconds, cpuUs };
}

async function push(reached: Reached, queue: Queue, jobs: number): Promise<void> {
  const shares = Array.from({ length: jobs / SHARE }, (_, share) => share * SHARE);
  const one = async () => {
    for (let from = shares.shift(); from !== undefined; from = shares.shift())
      await post(reached, "/push", { queue, from, count: SHARE });
  };
  await Promise.all(Array.from({ length: CALLS }, one));
}

/** Every job was run, and none twice. */
async function check({ base }: Reached, jobs: number): Promise<void> {
  const { all, different } = await answered<{ all: number; different: number }>(`${base}/rows`);
  if (all !== jobs || different !== jobs)
    throw new Error(`${jobs} jobs wrote ${all} rows, ${different} different`);
}

async function untilDone(reached: Reached, wanted: number): Promise<void> {
  const until = performance.now() + JOBS_MS_MAX;
  while ((await done(reached)) < wanted) {
    if (performance.now() > until)
      throw new Error(`the jobs did not end: ${await metrics(reached)}`);
    await Bun.sleep(POLL_MS);
  }
}

/** Jobs that ended well since the server started. */
async function done(reached: Reached): Promise<number> {
  const found = (await metrics(reached)).match(/^bunbase_jobs_events_total{event="done"} (\d+)/m);
  return Number(found?.[1] ?? 0);
}

async function metrics({ server }: Reached): Promise<string> {
  return fetch(`${server.url}/metrics`).then((answer) => answer.text());
}

async function control({ server, keys }: Reached, queue: Queue, what: string): Promise<void> {
  const headers = keyHeader(keys.secret_key);
  await answered(`${server.url}/v1/queues/${queue}/${what}`, { method: "POST", headers });
}

/** Milliseconds of each event, by topic. */
async function latencies(reached: Reached, events: number): Promise<Record<Topic, number[]>> {
  const { server, keys, base } = reached;
  await answered(`${server.url}/v1/events/bench.durable`, {
    method: "PUT",
    headers: { ...keyHeader(keys.secret_key), "content-type": "application/json" },
    body: JSON.stringify({ durable: true }),
  });
  const late: Record<Topic, number[]> = { "bench.memory": [], "bench.durable": [] };
  for (const topic of Object.keys(TOPICS) as Topic[]) {
    for (let sent = 0; sent < events; sent += SHARE) {
      const count = Math.min(SHARE, events - sent);
      await post(reached, "/emit", { topic, count });
    }
    const until = performance.now() + JOBS_MS_MAX;
    while (late[topic].length < events && performance.now() < until) {
      const found = await answered<{ ms: number[] }>(`${base}/latencies?topic=${topic}`);
      late[topic] = found.ms;
      await Bun.sleep(POLL_MS);
    }
    if (late[topic].length !== events)
      throw new Error(`${late[topic].length} of ${events} events of ${topic} arrived`);
  }
  return late;
}

async function post({ base }: Reached, path: string, body: object): Promise<void> {
  const headers = { "content-type": "application/json" };
  await answered(`${base}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

/** The data of an answer; an answer that is no success is an error. */
async function answered<T = unknown>(url: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text}`);
  return (text === "" ? undefined : JSON.parse(text).data) as T;
}

function jobRows(all: JobRun[], store: Store): Row[] {
  const runs = all.filter((run) => run.store === store);
  return (Object.keys(QUEUES) as Queue[]).flatMap((queue) =>
    (Object.keys(SHAPES) as Shape[]).flatMap((shape) => {
      const own = runs.filter((run) => run.queue === queue && run.shape === shape);
      const name = `${store}: ${QUEUES[queue]}, ${SHAPES[shape]}`;
      const rate = median(own.map((run) => run.rate));
      const cpuUs = median(own.map((run) => run.cpuUs));
      return [
        { measurement: name, unit: "jobs/s", bunbase: rate, goals: [GOALS[store]] },
        { measurement: `${name}, CPU for each`, unit: "µs", bunbase: cpuUs },
      ];
    }),
  );
}

function eventRows(late: Record<Topic, number[]>): Row[] {
  return (Object.keys(TOPICS) as Topic[]).flatMap((topic) =>
    ([50, 95, 99] as const).map((percent) => ({
      measurement: `event to handler, ${TOPICS[topic]}, p${percent}`,
      unit: "ms",
      bunbase: quantile(late[topic], percent / 100),
    })),
  );
}
