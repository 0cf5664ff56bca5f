// Two queues of small jobs, what fills them, and what is looked at afterwards.

import { action, t, triggers } from "bunbase";

const Job = t.Object({ number: t.Integer() });
const None = t.Object({});

export const setUp = action(
  { name: "setUp", input: None, output: None, triggers: [triggers.api("POST", "/setup")] },
  async (_input, { db }) => {
    await db.sql`CREATE TABLE IF NOT EXISTS done (number INTEGER NOT NULL)`;
    await db.sql`DELETE FROM done`;
    return {};
  },
);

export const nothing = action(
  {
    name: "nothing",
    input: Job,
    output: None,
    triggers: [triggers.queue("nothing", { concurrency: 64 })],
  },
  async () => ({}),
);

export const row = action(
  { name: "row", input: Job, output: None, triggers: [triggers.queue("row", { concurrency: 64 })] },
  async ({ number }, { db }) => {
    await db.sql`INSERT INTO done (number) VALUES (${number})`;
    return {};
  },
);

/** Enqueues `count` jobs, each with a call of its own, all at once. */
export const push = action(
  {
    name: "push",
    input: t.Object({ queue: t.String(), from: t.Integer(), count: t.Integer() }),
    output: None,
    triggers: [triggers.api("POST", "/push")],
  },
  async ({ queue, from, count }, ctx) => {
    const one = (_: unknown, index: number) => ctx.queue.push(queue, { number: from + index });
    await Promise.all(Array.from({ length: count }, one));
    return {};
  },
);

export const rows = action(
  {
    name: "rows",
    input: None,
    output: t.Object({ all: t.Integer(), different: t.Integer() }),
    triggers: [triggers.api("GET", "/rows")],
  },
  async (_input, { db }) => {
    const [found] = await db.sql<{ all: number; different: number }>`
      SELECT CAST(count(*) AS INTEGER) AS "all", CAST(count(DISTINCT number) AS INTEGER) AS different
      FROM done`;
    return found ?? { all: 0, different: 0 };
  },
);
