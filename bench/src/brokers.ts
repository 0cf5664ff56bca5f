// The peers of the event benchmarks, from Debian: NATS and Redis.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { freePort, type Started, start } from "./process.ts";

const START_MS_MAX = 10_000;

export interface BrokerServer {
  process: Started;
  address: string;
}

/** Core NATS and JetStream, its files on the disk that is measured. */
export async function startNats(bench: Bench): Promise<BrokerServer> {
  const port = freePort();
  const directory = join(bench.directory, "nats");
  mkdirSync(directory, { recursive: true });
  const config = join(bench.directory, "nats.conf");
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${directory}" }\nmax_pending: 268435456\n`,
  );
  const command = ["nats-server", "-c", config];
  const process = start("nats-server", command, { log: join(bench.directory, "nats.log") });
  return listening({ process, address: `127.0.0.1:${port}` });
}

/** `durable`: every write is synced before it is answered. */
export async function startRedis(bench: Bench, kind: "memory" | "durable"): Promise<BrokerServer> {
  const port = freePort();
  const directory = join(bench.directory, `redis-${kind}`);
  mkdirSync(directory, { recursive: true });
  const keep = kind === "durable" ? ["--appendonly", "yes", "--appendfsync", "always"] : [];
  const command = [
    "redis-server",
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", directory, "--save", ""],
    ...["--client-output-buffer-limit", "pubsub 0 0 0"],
    ...keep,
  ];
  const process = start("redis-server", command, { log: join(bench.directory, "redis.log") });
  return listening({ process, address: `127.0.0.1:${port}` });
}

async function listening(server: BrokerServer): Promise<BrokerServer> {
  const [hostname = "", port] = server.address.split(":");
  const since = performance.now();
  while (performance.now() - since < START_MS_MAX && !server.process.hasEnded()) {
    const found = await Bun.connect({ hostname, port: Number(port), socket: { data() {} } }).then(
      (socket) => {
        socket.end();
        return true;
      },
      () => false,
    );
    if (found) return server;
    await Bun.sleep(20);
  }
  throw new Error(`${server.process.name} did not start`);
}
