// Part i: an action with a session guard, a schema for what goes in and one for what comes out, against Elysia, Hono with
// TypeBox, Fastify and `Bun.serve` with TypeBox by hand. All sides in one run, one after the other in each round.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { COOKIE, receive, sign } from "../peers/actions/order.ts";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { Installation, logCounters } from "./bunbase.ts";
import { median } from "./numbers.ts";
import { CpuMeter } from "./proc.ts";
import { freePort, type Started, start, untilReady } from "./process.ts";
import type { Goal, Report, Row } from "./report.ts";
import { type WrkRun, wrk } from "./wrk.ts";

const PEERS = ["elysia", "hono", "fastify", "bun"];
const CONNECTIONS = [16, 64];
const ORDER = {
  title: "A chair of oak",
  quantity: 3,
  price: 129.5,
  tags: ["season-1", "shelf-12"],
  customer: { email: "ada@example.com", name: "Ada Lovelace" },
};
/** What every side answers. */
const RECEIPT = JSON.stringify({ data: receive(ORDER) });

interface Side {
  name: string;
  url: string;
  pid: number;
  cookie: string;
}

interface ActionRun extends WrkRun {
  side: string;
  connections: number;
  /** CPU for each request: of all processes, and of the server without its workers. */
  cpuUs: number;
  frontUs: number;
}

export async function actions(bench: Bench): Promise<Report> {
  const installation = new Installation(bench, "actions");
  const server = await installation.start();
  const keys = await installation.setUp(server);
  await installation.deploy(server, keys, "bench-actions", join(import.meta.dir, "../actions"));
  const base = `${server.url}/v1/apps/${keys.project}`;
  const own = { name: "BunBase", url: `${base}/api/orders`, pid: server.process.pid };
  const started: Started[] = [server.process];
  const sides: Side[] = [{ ...own, cookie: await signUp(base) }];
  for (const name of PEERS) {
    const { side, process } = await startPeer(bench, name);
    sides.push(side);
    started.push(process);
  }
  for (const side of sides) await check(side);
  const script = postScript(bench);
  const runs: ActionRun[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const connections of CONNECTIONS) {
      for (const side of sides) {
        const measured = await once(bench, side, { connections, script, warm: round > 0 });
        // The first round only warms up.
        if (round > 0) runs.push(measured);
      }
    }
    if (round > 0) console.log(`    actions, round ${round} of ${ROUNDS}`);
  }
  const counters = await logCounters(server.url);
  for (const each of started.reverse()) await each.stop();
  const errors = runs.reduce((sum, run) => sum + run.errors, 0);
  return {
    part: "i",
    title: "A validated POST behind a session guard",
    peer: "named in each row",
    rows: rows(runs),
    notes: [
      "Run history is on. CPU per request is of all processes of a side.",
      `answers that were no success: ${errors}`,
      ...counters,
    ],
    runs,
  };
}

async function startPeer(bench: Bench, name: string): Promise<{ side: Side; process: Started }> {
  const port = freePort();
  const program = join(import.meta.dir, `../peers/actions/${name}.ts`);
  const log = join(bench.directory, `${name}.log`);
  const process_ = start(name, [process.execPath, program, `${port}`], { log });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(process_, `${url}/ready`);
  const payload = { userId: "u1", exp: Math.floor(Date.now() / 1000) + 86_400 };
  const cookie = `${COOKIE}=${sign(payload)}`;
  return { side: { name, url: `${url}/api/orders`, pid: process_.pid, cookie }, process: process_ };
}

/** A session of the application, as a browser gets one. */
async function signUp(base: string): Promise<string> {
  const answer = await post(`${base}/api/signup`, {
    email: "ada@example.com",
    password: crypto.randomUUID(),
  });
  const cookie = answer.headers.getSetCookie().find((each) => each.startsWith(`${COOKIE}=`));
  if (cookie === undefined) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  return cookie.split(";")[0] ?? "";
}

/** What is measured has to be right: an order is answered by all sides alike; a wrong one and a forged session are not taken. */
async function check({ name, url, cookie }: Side): Promise<void> {
  const taken = await post(url, ORDER, { cookie });
  const text = await taken.text();
  if (taken.status !== 200 || text !== RECEIPT) throw new Error(`${name} answers ${text}`);
  const wrong = { ...ORDER, customer: { ...ORDER.customer, email: 1 } };
  const refused = [
    // Elysia has a status of its own for it.
    [(await post(url, wrong, { cookie })).status, name === "elysia" ? 422 : 400],
    [
      (await post(url, { ...ORDER, quantity: 0 }, { cookie })).status,
      name === "elysia" ? 422 : 400,
    ],
    [(await post(url, ORDER, { cookie: `${cookie.slice(0, -2)}xx` })).status, 401],
    [(await post(url, ORDER)).status, 401],
  ];
  for (const [status, wanted] of refused)
    if (status !== wanted) throw new Error(`${name} answers ${status} instead of ${wanted}`);
}

function post(url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

interface Load {
  connections: number;
  script: string;
  warm: boolean;
}

async function once(bench: Bench, side: Side, load: Load): Promise<ActionRun> {
  const { connections, script, warm } = load;
  const meter = new CpuMeter(side.pid, "native");
  const headers = { "Content-Type": "application/json", Cookie: side.cookie };
  const seconds = warm ? pick(bench, 5, 2) : 1;
  const result = await wrk({ url: side.url, headers, connections, seconds, script });
  const { total, front } = meter.read();
  return {
    side: side.name,
    connections,
    cpuUs: total / result.requests,
    frontUs: front / result.requests,
    ...result,
  };
}

function postScript(bench: Bench): string {
  const file = join(bench.directory, "order.lua");
  writeFileSync(file, `wrk.method = "POST"\nwrk.body = [[${JSON.stringify(ORDER)}]]\n`);
  return file;
}

const FIGURES = [
  ["rate", "throughput", "req/s"],
  ["p50Us", "p50", "µs"],
  ["p99Us", "p99", "µs"],
  ["cpuUs", "CPU per request", "µs"],
] as const;
const GOAL: Goal = { of: "ratio", least: 1 };

function rows(runs: ActionRun[]): Row[] {
  return CONNECTIONS.flatMap((connections) => {
    const of = (side: string, figure: keyof ActionRun) => {
      const own = runs.filter((run) => run.side === side && run.connections === connections);
      return median(own.map((run) => Number(run[figure])));
    };
    const ofFront = {
      measurement: `${connections} conn., CPU of the server process`,
      unit: "µs",
      bunbase: of("BunBase", "frontUs"),
    };
    const compared = FIGURES.flatMap(([figure, text, unit]) =>
      PEERS.map((peer) => {
        const isGoal = figure === "rate" && peer === "elysia" && connections === 64;
        return {
          measurement: `${connections} conn., ${text}, against ${peer}`,
          unit,
          bunbase: of("BunBase", figure),
          peer: of(peer, figure),
          ...(isGoal ? { goals: [GOAL] } : {}),
        };
      }),
    );
    return [...compared, ofFront];
  });
}
