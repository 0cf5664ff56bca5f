/** Streams of events: parsing, reconnection, resumption, live results. */
import { afterAll, expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { EventParser } from "../src/event-stream.ts";
import { type BunbaseError, type Change, createClient } from "../src/index.ts";
import { type Asked, fail, WireServer } from "./server.ts";

const server = new WireServer();
afterAll(() => server.stop());
const client = createClient(server.url, "pk_test");

interface Named {
  name: string;
}

function stream(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

function change(id: string, type: string, docId: string, name?: string): string {
  const document = name === undefined ? undefined : { _id: docId, name };
  return `id: ${id}\nevent: change\ndata: ${JSON.stringify({ type, docId, document })}\n\n`;
}

/** Fulfilled with the changes as soon as there are `count` of them. */
function collect<T>(count: number): { done: Promise<Change<T>[]>; take: (c: Change<T>) => void } {
  const changes: Change<T>[] = [];
  const { promise, resolve } = Promise.withResolvers<Change<T>[]>();
  const take = (each: Change<T>) => {
    changes.push(each);
    if (changes.length === count) resolve(changes);
  };
  return { done: promise, take };
}

test("events are the same however the text is cut", () => {
  const text = ": ping\r\nid: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\ndata:z\r\r: end\n\n";
  const whole = new EventParser().push(text);
  expect(whole).toEqual([
    { event: "a", data: "x\ny", id: "1" },
    { event: "message", data: "z", id: "1" },
  ]);
  const parser = new EventParser();
  expect([...text].flatMap((character) => parser.push(character))).toEqual(whole);
});

test("a watch that breaks goes on after the last event", async () => {
  server.answer(
    () => stream(`id: e-1-0\nevent: connected\ndata: {}\n\n${change("e-2-0", "added", "a", "A")}`),
    () => stream(`id: e-2-0\nevent: connected\ndata: {}\n\n${change("e-3-0", "removed", "a")}`),
    () => new Promise<Response>(() => {}),
  );
  const { done, take } = collect<Named>(2);
  const stop = client.db.collection<Named>("c").watch(take);
  await stop.ready;
  expect((await done).map((each) => each.type)).toEqual(["added", "removed"]);
  stop();
  expect(server.asked[0]?.headers.get("last-event-id")).toBeNull();
  expect(server.asked[1]?.headers.get("last-event-id")).toBe("e-2-0");
});

test("a watch whose connection is cut goes on after the last event", async () => {
  const ids: (string | undefined)[] = [];
  const cuts: (() => void)[] = [];
  const begin = "id: e-1-0\nevent: connected\ndata: {}\n\n";
  const killed = createServer((request, response) => {
    ids.push(request.headers["last-event-id"] as string | undefined);
    cuts.push(() => request.socket.resetAndDestroy());
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(begin + change(`e-${ids.length + 1}-0`, "added", `${ids.length}`, "A"));
  });
  await new Promise<void>((resolve) => killed.listen(0, "127.0.0.1", resolve));
  const { port } = killed.address() as AddressInfo;
  const { done, take } = collect<Named>(2);
  const errors: BunbaseError[] = [];
  const stop = createClient(`http://127.0.0.1:${port}`, "pk_test")
    .db.collection<Named>("c")
    .watch(
      (each) => {
        take(each);
        // A killed that is killed says nothing first.
        if (each.docId === "1") cuts[0]?.();
      },
      { onError: (error) => errors.push(error) },
    );
  expect((await done).map((each) => each.docId)).toEqual(["1", "2"]);
  stop();
  killed.closeAllConnections();
  killed.close();
  expect(ids).toEqual([undefined, "e-2-0"]);
  expect(errors).toEqual([]);
});

test("what the server refuses for good is told and not asked again", async () => {
  server.answer(fail(403, "forbidden"));
  const { promise, resolve } = Promise.withResolvers<string>();
  const stop = client.db.collection("c").watch(() => {}, { onError: (e) => resolve(e.code) });
  expect(await promise).toBe("forbidden");
  await expect(stop.ready).rejects.toMatchObject({ code: "forbidden" });
  expect(server.asked).toHaveLength(1);
});

test("a resync is told", async () => {
  server.answer(
    () => stream("event: connected\ndata: {}\n\nevent: resync\ndata: {}\n\n"),
    () => new Promise<Response>(() => {}),
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = client.db.collection("c").watch(() => {}, { onResync: resolve });
  await promise;
  stop();
});

test("a live query tells only the news after a reconnection", async () => {
  const begin = "event: connected\ndata: {}\n\n";
  const ready = "event: ready\ndata: {}\n\n";
  const first = change("1", "added", "a", "A") + change("1", "added", "b", "B");
  const second = change("2", "added", "a", "A") + change("2", "added", "c", "C");
  server.answer(
    () => stream(begin + first + ready),
    () => stream(begin + second + ready),
    () => new Promise<Response>(() => {}),
  );
  const { done, take } = collect<Named>(4);
  const stop = client.db.collection<Named>("c").watchQuery({ name: { $gte: "A" } }, {}, take);
  const seen = (await done).map(({ type, docId }) => `${type} ${docId}`);
  stop();
  expect(seen).toEqual(["added a", "added b", "added c", "removed b"]);
});

test("events carry JSON, text and bytes, and the offset of a durable topic", async () => {
  const message = (data: object, id = "") =>
    `${id}event: message\ndata: ${JSON.stringify({ topic: "t", published_at: "", ...data })}\n\n`;
  server.answer(
    () =>
      stream(
        `event: connected\ndata: {}\n\n${message({ data: { a: 1 } }, "id: 7\n")}${message({
          data_base64: "AAE=",
        })}event: missed\ndata: {"count":3}\n\n`,
      ),
    () => new Promise<Response>(() => {}),
  );
  const seen: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<number>();
  const stop = client.events.subscribe("t", (e) => seen.push([e.data, e.offset]), {
    from: 7,
    onMissed: resolve,
  });
  expect(await promise).toBe(3);
  stop();
  expect(seen).toEqual([
    [{ a: 1 }, 7],
    [new Uint8Array([0, 1]), 7],
  ]);
  expect(server.asked[0]?.query).toEqual({ from: "7" });
});

test("a subscription ends with its signal", async () => {
  const { promise: cut, resolve } = Promise.withResolvers<void>();
  server.answer((_: Asked, signal) => {
    signal.addEventListener("abort", () => resolve());
    const body = new ReadableStream({
      start: (out) => out.enqueue(new TextEncoder().encode("event: connected\ndata: {}\n\n")),
    });
    return new Response(body);
  });
  const controller = new AbortController();
  const stop = client.events.subscribe("t", () => {}, { signal: controller.signal });
  await stop.ready;
  controller.abort();
  await cut;
  expect(server.asked).toHaveLength(1);
});
