import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";
import { action, createRedisRateLimiter, type GuardError, t } from "./index.ts";
import { testAction } from "./test.ts";

const REDIS = Bun.which("redis-server");

/** A server of its own on a socket, until `stop`. */
async function startRedis(command: string) {
  const directory = await mkdtemp(join(tmpdir(), "bunbase-redis-"));
  const socket = join(directory, "redis.sock");
  const options = ["--port", "0", "--unixsocket", socket, "--dir", directory, "--save", ""];
  const server = Bun.spawn([command, ...options], { stdout: "ignore", stderr: "inherit" });
  const client = new RedisClient(`redis+unix://${socket}`);
  const stop = async () => {
    client.close();
    server.kill();
    await server.exited;
    await rm(directory, { recursive: true });
  };
  return { client, stop };
}

test.if(REDIS !== null)("of many calls at once as many pass as the limit says", async () => {
  const { client, stop } = await startRedis(REDIS ?? "");
  try {
    const limited = action(
      {
        name: "limited",
        input: t.Object({}),
        output: t.Object({}),
        guards: [createRedisRateLimiter(client, { limit: 5, windowMs: 60_000 })],
      },
      async () => ({}),
    );
    const call = (userId: string) => testAction(limited, {}, { auth: { userId } });
    const all = await Promise.all(Array.from({ length: 20 }, () => call("u1")));
    expect(all.filter(({ success }) => success).length).toBe(5);
    const refused = all.find(({ success }) => !success)?.errorObject as GuardError;
    expect([refused.statusCode, refused.code]).toEqual([429, "rate_limited"]);
    expect((await call("u2")).success).toBe(true);
  } finally {
    await stop();
  }
});
