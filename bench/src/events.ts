// Part e: fan-out of the event broker against NATS and Redis, durable publications, and 20,000 open streams.

import { join } from "node:path";
import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BrokerServer, startNats, startRedis } from "./brokers.ts";
import { type BunbaseServer, Installation, keyHeader } from "./bunbase.ts";
import { median, show } from "./numbers.ts";
import { run } from "./process.ts";
import type { Goal, Report, Row } from "./report.ts";

const SUBSCRIBERS = [1, 10, 100];
/** What server and generator need besides a descriptor for each stream. */
const OTHER_DESCRIPTORS = 500;
const STREAMS = Math.min(
  20_000,
  Number(process.env.BENCH_DESCRIPTORS ?? 20_500) - OTHER_DESCRIPTORS,
);
/** Events a second and stream; times 20,000 streams 100,000 deliveries a second. */
const STREAM_RATE = 5;
/** All streams on one topic, and spread: 50 streams on each. */
const SHAPES = [
  { topics: 1, name: "one topic" },
  { topics: Math.floor(STREAMS / 50), name: "50 for each topic" },
];
const MEBIBYTE = 2 ** 20;
const KIBIBYTE = 2 ** 10;

type Name = "bunbase" | "nats" | "redis";

interface Side {
  name: Name;
  address: string;
}

interface Fanout {
  side: Name;
  subscribers: number;
  delivered_rate: number;
}

interface Durable {
  side: Name;
  rate: number;
  p50_us: number;
  p99_us: number;
}

interface Streams {
  topics: number;
  connections: number;
  connected_seconds: number;
  server_rss_before: number;
  server_rss: number;
  delivered: number;
  expected: number;
  delivered_rate: number;
  server_cpu_us: number;
  generator_cpu_us: number;
  p50_us: number;
  p95_us: number;
  p99_us: number;
}

export async function events(bench: Bench): Promise<Report> {
  const installation = new Installation(bench, "events");
  const socket = join(bench.directory, "events.sock");
  const server = await installation.start({
    BUNBASE_EVENTS__SOCKET: socket,
    BUNBASE_GATEWAY__CONNECTIONS_MAX: String(STREAMS + 1_000),
  });
  const keys = await installation.setUp(server);
  const nats = await startNats(bench);
  const redis = await startRedis(bench, "memory");
  const sides: Side[] = [
    { name: "bunbase", address: socket },
    { name: "nats", address: nats.address },
    { name: "redis", address: redis.address },
  ];
  const fanouts: Fanout[] = [];
  const seconds = String(pick(bench, 5, 1.5));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const subscribers of SUBSCRIBERS) {
      for (const side of sides) fanouts.push(await fanout(bench, side, subscribers, seconds));
    }
    console.log(`    fan-out, round ${round} of ${ROUNDS}`);
  }
  await redis.process.stop();
  const durables = await durable(bench, sides, nats);
  const streams = await manyStreams(bench, server, keys.secret_key);
  await server.process.stop();
  return {
    part: "e",
    title: "Events of 128 B, one publisher",
    peer: "NATS, Redis (Debian)",
    rows: [...fanoutRows(fanouts), ...durableRows(durables), ...streamRows(streams)],
    notes: [
      "Fan-out in memory: BunBase over its Unix socket (it has no other binary way in), the peers over TCP on loopback.",
      "The publisher stays at most 30,000 events ahead of the slowest subscriber: nobody drops any.",
      "Durable, 64 in flight: BunBase and Redis (XADD, appendfsync always) sync before they answer; JetStream (file) syncs every 2 minutes.",
      `streams: ${STREAMS} connected in ${show(median(streams.map((each) => each.connected_seconds)))} s; ` +
        `delivered ${streams.reduce((sum, each) => sum + each.delivered, 0)} of ${streams.reduce((sum, each) => sum + each.expected, 0)}; ` +
        "the generator works on the same cores; on one topic each event goes to all streams at once, and the last waits for all others",
    ],
    runs: { fanouts, durables, streams },
  };
}

async function fanout(
  bench: Bench,
  side: Side,
  subscribers: number,
  seconds: string,
): Promise<Fanout> {
  const output = await run([
    bench.load,
    "fanout",
    ...["--broker", side.name, "--address", side.address],
    ...["--subscribers", String(subscribers), "--seconds", seconds],
  ]);
  return { ...(JSON.parse(output) as Fanout), side: side.name, subscribers };
}

async function durable(bench: Bench, sides: Side[], nats: BrokerServer): Promise<Durable[]> {
  const redis = await startRedis(bench, "durable");
  const durables: Durable[] = [];
  const seconds = String(pick(bench, 5, 1.5));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const side of sides) {
      const address = side.name === "redis" ? redis.address : side.address;
      const output = await run([
        bench.load,
        "durable",
        ...["--broker", side.name, "--address", address, "--seconds", seconds],
      ]);
      durables.push({ ...(JSON.parse(output) as Durable), side: side.name });
    }
    console.log(`    durable, round ${round} of ${ROUNDS}`);
  }
  await redis.process.stop();
  await nats.process.stop();
  return durables;
}

async function manyStreams(bench: Bench, server: BunbaseServer, key: string): Promise<Streams[]> {
  const streams: Streams[] = [];
  const header = Object.entries(keyHeader(key))
    .map(([name, value]) => `${name}: ${value}`)
    .join();
  const rounds = pick(bench, 3, 1);
  for (let round = 1; round <= rounds; round++) {
    for (const { topics } of SHAPES) {
      const output = await run([
        bench.load,
        "sse",
        ...["--address", server.address, "--header", header, "--key", header],
        ...["--path", "/v1/events/bench.{n}/subscribe", "--publish", "/v1/events/bench.{n}"],
        ...["--connections", String(STREAMS), "--topics", String(topics)],
        ...["--rate", String(STREAM_RATE * topics)],
        ...["--seconds", String(pick(bench, 20, 10)), "--pid", String(server.process.pid)],
      ]);
      streams.push(JSON.parse(output) as Streams);
    }
    console.log(`    streams, round ${round} of ${rounds}`);
  }
  return streams;
}

function fanoutRows(fanouts: Fanout[]): Row[] {
  const rate = (side: Name, subscribers: number) => {
    const of = fanouts.filter((each) => each.side === side && each.subscribers === subscribers);
    return median(of.map((each) => each.delivered_rate));
  };
  return SUBSCRIBERS.flatMap((subscribers) =>
    (["nats", "redis"] as const).map((peer) => ({
      measurement: `fan-out to ${subscribers}, against ${peer === "nats" ? "NATS" : "Redis"}`,
      unit: "deliveries/s",
      bunbase: rate("bunbase", subscribers),
      peer: rate(peer, subscribers),
      goals: peer === "nats" ? [{ of: "ratio", least: 0.8 } as const] : [],
    })),
  );
}

function durableRows(durables: Durable[]): Row[] {
  const of = (side: Name, figure: "rate" | "p50_us") =>
    median(durables.filter((each) => each.side === side).map((each) => each[figure]));
  return (["redis", "nats"] as const).map((peer) => ({
    measurement: `durable publish, against ${peer === "redis" ? "Redis streams" : "JetStream (no fsync per message)"}`,
    unit: "events/s",
    bunbase: of("bunbase", "rate"),
    peer: of(peer, "rate"),
  }));
}

function streamRows(streams: Streams[]): Row[] {
  const rss = (figure: "server_rss" | "server_rss_before") =>
    median(streams.filter((each) => each.topics === 1).map((each) => each[figure]));
  const perStream = (rss("server_rss") - rss("server_rss_before")) / STREAMS;
  return [
    {
      measurement: `server with ${STREAMS.toLocaleString("en-US")} SSE streams, RSS`,
      unit: "MiB",
      bunbase: rss("server_rss") / MEBIBYTE,
      goals: [{ of: "bunbase", most: 1_600 }],
    },
    { measurement: "of which for each stream", unit: "KiB", bunbase: perStream / KIBIBYTE },
    ...SHAPES.flatMap((shape) =>
      shapeRows(
        shape.name,
        streams.filter((each) => each.topics === shape.topics),
      ),
    ),
  ];
}

function shapeRows(name: string, streams: Streams[]): Row[] {
  const of = (figure: keyof Streams) => median(streams.map((each) => each[figure]));
  const row = (measurement: string, unit: string, bunbase: number, goals: Goal[] = []): Row => ({
    measurement: `${name}: ${measurement}`,
    unit,
    bunbase,
    goals,
  });
  return [
    row("delivered", "events/s", of("delivered_rate")),
    row("delivery, p50", "ms", of("p50_us") / 1_000),
    row("delivery, p95", "ms", of("p95_us") / 1_000, [{ of: "bunbase", most: 20 }]),
    row("delivery, p99", "ms", of("p99_us") / 1_000),
    row("CPU of the server for each", "µs", of("server_cpu_us")),
    row("CPU of the generator for each", "µs", of("generator_cpu_us")),
  ];
}
