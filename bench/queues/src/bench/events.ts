// How long after it was emitted an event is in its handler.

import { action, t, triggers } from "bunbase";

const PAUSE_MS = 5;
const Emitted = t.Object({ at: t.Number() });
const None = t.Object({});

/** Milliseconds, with fractions; the same in every process of the machine. */
const now = () => performance.timeOrigin + performance.now();

export const emit = action(
  {
    name: "emit",
    input: t.Object({ topic: t.String(), count: t.Integer() }),
    output: None,
    triggers: [triggers.api("POST", "/emit")],
  },
  async ({ topic, count }, ctx) => {
    for (let sent = 0; sent < count; sent++) {
      await ctx.event.emit(topic, { at: now() });
      await Bun.sleep(PAUSE_MS);
    }
    return {};
  },
);

export const onMemory = listener("bench.memory");
export const onDurable = listener("bench.durable");

function listener(topic: string) {
  return action(
    {
      name: `on-${topic.replace(".", "-")}`,
      input: Emitted,
      output: None,
      triggers: [triggers.event(topic)],
    },
    async ({ at }, { kv }) => {
      const ms = now() - at;
      // Not with a write that waits for the disk: the events behind it would wait as well.
      await kv.set(`${topic}/${ms}/${crypto.randomUUID()}`, true);
      return {};
    },
  );
}

export const latencies = action(
  {
    name: "latencies",
    input: t.Object({ topic: t.String() }),
    output: t.Object({ ms: t.Array(t.Number()) }),
    triggers: [triggers.api("GET", "/latencies")],
  },
  async ({ topic }, { kv }) => {
    const keys = await kv.list(`${topic}/`);
    return { ms: keys.map((key) => Number(key.split("/")[1])) };
  },
);
