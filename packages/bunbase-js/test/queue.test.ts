/** Queues: what goes over the wire. */
import { afterAll, expect, test } from "bun:test";
import { createClient } from "../src/index.ts";
import { ok, WireServer } from "./server.ts";

const server = new WireServer();
afterAll(() => server.stop());
const client = createClient(server.url, "sk_test", { retry: { attempts: 1 } });

test("a job is enqueued with its options, and the name stays one segment", async () => {
  server.answer(ok({ id: "job_1", existed: false }, { status: 202 }));
  const options = { delayMs: 500, priority: 2, uniqueKey: "k", attemptsMax: 3 };
  const job = await client.queue("mail/bulk").enqueue({ to: "a" }, options);
  expect(job).toEqual({ id: "job_1", existed: false });
  expect(server.asked[0]?.path).toBe("/v1/queues/mail%2Fbulk/jobs");
  expect(server.asked[0]?.body).toEqual({
    payload: { to: "a" },
    options: { delay_ms: 500, priority: 2, unique_key: "k", attempts_max: 3 },
  });
});

test("a job without a payload has null", async () => {
  server.answer(ok({ id: "job_1", existed: true }, { status: 202 }));
  await client.queue("mail").enqueue(undefined);
  expect(server.asked[0]?.body).toEqual({ payload: null, options: {} });
});

test("a name that would leave its place is refused before it is sent", () => {
  expect(() => client.queue("..")).toThrow("cannot stand in a path");
});
