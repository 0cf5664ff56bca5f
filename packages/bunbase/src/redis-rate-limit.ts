/** Limits that several applications share through a Redis of their own. */

import { GuardError } from "./errors.ts";
import type { GuardFunction, RateLimitOptions } from "./guards.ts";

/** Such as the `RedisClient` of Bun. */
export interface RedisCommands {
  send(command: string, args: string[]): Promise<unknown>;
}

// One script, so that of two calls at once only one takes the last place. Times are those of Redis: instances whose
// clocks differ count alike. It answers 0, or the milliseconds until there is a place again.
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], window)
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, tonumber(oldest[2]) + window - now)`;

/**
 * A guard like `guards.rateLimit`, with a window that slides. Callers that are not signed in are counted together,
 * unless `key` tells them apart. It runs in Bun, so the guards behind it do, too.
 */
export function createRedisRateLimiter(
  redis: RedisCommands,
  { limit, windowMs, key }: RateLimitOptions,
): GuardFunction {
  return async (ctx) => {
    const subject = key === undefined ? (ctx.auth.userId ?? "anonymous") : await key(ctx);
    const place = `ratelimit:${subject}`;
    const args = [String(limit), String(windowMs), crypto.randomUUID()];
    const wait = Number(await redis.send("EVAL", [TAKE, "1", place, ...args]));
    if (wait === 0) return;
    ctx.response.headers.set("retry-after", String(Math.ceil(wait / 1000)));
    throw new GuardError("too many requests; try again later", 429);
  };
}
