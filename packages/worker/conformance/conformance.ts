// Holds functions to `Bun.serve`: every case is sent to the deployed function and to `Bun.serve` with the same
// handler, and what comes back on the connection has to be the same. Run by the test `conformance` of the binary,
// which says where the server is and what to prove.

import { afterAll, expect, test } from "bun:test";
import { type Case, type Compared, comparable, type Sent } from "./case.ts";
import handler, { CASES } from "./handler.ts";
import { UPSTREAM, upstream } from "./outgoing.ts";
import { exchange, type Received } from "./wire.ts";

const { CONFORMANCE_URL = "", CONFORMANCE_PROJECT = "", CONFORMANCE_KEY = "" } = process.env;
const KEY = ["x-bunbase-client-key", CONFORMANCE_KEY] as const;

const behind = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: upstream });
const peer = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  development: false,
  fetch: handler.fetch as (request: Request) => Response,
  error: () => new Response("failed", { status: 500 }),
});
await deploy();
afterAll(async () => {
  await peer.stop(true);
  await behind.stop(true);
});

async function deploy(): Promise<void> {
  const entrypoints = [`${import.meta.dir}/handler.ts`];
  const { outputs } = await Bun.build({ entrypoints, target: "bun", minify: false });
  const bundle = Buffer.from(await (outputs[0] as Bun.BuildArtifact).arrayBuffer()).toString(
    "base64",
  );
  const url = `${CONFORMANCE_URL}/v1/projects/${CONFORMANCE_PROJECT}/functions`;
  const body = JSON.stringify({ name: "conformance", bundle, settings: { max_workers: 1 } });
  const headers = { [KEY[0]]: KEY[1], "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(await answer.text());
}

/** What has to be the same: headers by name, those of one name in their order. */
function seen({ status, headers, body, complete }: Received, sent: Sent, compared: Compared) {
  if (compared === "status") return { status };
  const sorted = comparable(headers).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const length = sorted.find(([name]) => name === "content-length");
  // A `HEAD` has here what a `GET` has; `Bun.serve` leaves out default types, and says 0 where there is no body.
  if (sent.method === "HEAD") return { status, length: length?.[1] ?? "0" };
  const kept = sent.isStreamed ? sorted.filter((header) => header !== length) : sorted;
  return { status, headers: kept, body: parsed(body.toString()), complete };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Where a case is answered: by the function, and by `Bun.serve`. */
function places(name: string): [URL, URL] {
  const path = encodeURIComponent(name);
  return [
    new URL(`/v1/functions/conformance/${path}`, CONFORMANCE_URL),
    new URL(`/${path}`, peer.url),
  ];
}

function send(url: URL, sent: Sent, gone?: AbortSignal): Promise<Received> {
  const headers = [...(sent.headers ?? []), KEY, [UPSTREAM, behind.url.href] as const];
  return exchange(url, { ...sent, headers }, gone);
}

/** Leaves a call that has begun; how it saw that. */
async function leave(call: URL, state: URL): Promise<unknown> {
  const gone = new AbortController();
  const over = send(call, {}, gone.signal).catch(() => undefined);
  const until = async (reached: (seen: { begun: boolean; aborted: boolean }) => boolean) => {
    for (;;) {
      const now = JSON.parse((await send(state, {})).body.toString());
      if (reached(now)) return now;
    }
  };
  await until(({ begun }) => begun);
  gone.abort();
  await over;
  return until(({ aborted }) => aborted);
}

test("a caller that goes away aborts the signal of its request", async () => {
  const [calls, states] = [places("a call to leave"), places("a call that was left")];
  const ours = await leave(calls[0], states[0]);
  expect(ours).toEqual(await leave(calls[1], states[1]));
});

function title({ method = "GET", tail = "", body }: Sent, at: number): string {
  return `${at}: ${method} ${tail}${body === undefined ? "" : ` (${body.length})`}`;
}

for (const [name, { sent, compared }] of Object.entries(CASES) as [string, Case][]) {
  for (const [at, each] of sent.entries()) {
    test(`${name}, ${title(each, at)}`, async () => {
      const [ours, theirs] = await Promise.all(places(name).map((place) => send(place, each)));
      const [a, b] = [ours as Received, theirs as Received];
      expect(seen(a, each, compared)).toEqual(seen(b, each, compared));
    });
  }
}
