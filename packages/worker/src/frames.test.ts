import { expect, test } from "bun:test";
import { Download, Upload } from "./body-streams.ts";
import { FrameReader } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { headerBlock, readResponse } from "./head.ts";
import {
  HEADER_BYTES,
  LOG,
  PONG,
  RESPONSE,
  RESPONSE_CHUNK,
  STREAM_WINDOW_BYTES,
} from "./protocol.ts";
import { Taken } from "./testing.ts";

function framesOf(bytes: Buffer): [type: number, call: number, payload: string][] {
  const frames: [number, number, string][] = [];
  const reader = new FrameReader((type, call, all, start, end) =>
    frames.push([type, call, all.latin1Slice(start, end)]),
  );
  reader.push(bytes);
  reader.drain(1000);
  return frames;
}

test("frames are cut wherever the bytes are torn", () => {
  const sink = new Taken();
  const writer = new FrameWriter();
  writer.attach(sink);
  writer.frame(PONG, 7);
  writer.frame(LOG, 4_000_000_000, Buffer.from("ab"), Buffer.from("c"));
  writer.flush();
  for (let torn = 0; torn <= sink.bytes.length; torn += 1) {
    const seen: unknown[] = [];
    const reader = new FrameReader((type, call, all, start, end) =>
      seen.push([type, call, all.latin1Slice(start, end)]),
    );
    reader.push(sink.bytes.subarray(0, torn));
    reader.drain(1000);
    reader.push(sink.bytes.subarray(torn));
    reader.drain(1000);
    expect(seen).toEqual([
      [PONG, 7, ""],
      [LOG, 4_000_000_000, "abc"],
    ]);
  }
});

test("what does not fit into a slice is handed on in the next one", () => {
  const sink = new Taken();
  const writer = new FrameWriter();
  writer.attach(sink);
  for (const call of [1, 2]) writer.frame(PONG, call);
  writer.flush();
  const seen: number[] = [];
  const reader = new FrameReader((_type, call) => {
    seen.push(call);
    const end = performance.now() + 2;
    while (performance.now() < end);
  });
  reader.push(sink.bytes);
  expect(reader.drain(1)).toBe(false);
  expect(seen).toEqual([1]);
  expect(reader.drain(1)).toBe(false);
  expect(reader.drain(1)).toBe(true);
  expect(seen).toEqual([1, 2]);
});

test("a frame over the limit is refused before it arrives", () => {
  const reader = new FrameReader(() => undefined);
  reader.push(Buffer.from([255, 255, 255, 255, 1, 0, 0, 0, 0]));
  expect(() => reader.drain(1000)).toThrow("over the limit");
});

test("what a full socket did not take is sent when it drains, in order", () => {
  const sink = new Taken();
  sink.room = HEADER_BYTES + 1;
  const writer = new FrameWriter();
  writer.attach(sink);
  writer.frame(LOG, 1, Buffer.from("one"));
  writer.flush();
  writer.frame(LOG, 2, Buffer.alloc(600_000, "x"));
  writer.flush();
  expect(sink.bytes.length).toBe(HEADER_BYTES + 1);
  sink.room = Number.POSITIVE_INFINITY;
  writer.drained();
  expect(framesOf(sink.bytes)).toEqual([
    [LOG, 1, "one"],
    [LOG, 2, "x".repeat(600_000)],
  ]);
  expect(writer.waitingBytes).toBe(0);
});

test("a whole response is written as its reader reads it", () => {
  const sink = new Taken();
  const writer = new FrameWriter();
  writer.attach(sink);
  const headers = new Headers([
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["x-a", "é"],
  ]);
  const { count, block } = headerBlock(headers);
  expect(writer.response(3, 201, count, block, "grüße")).toBe(true);
  writer.flush();
  expect(sink.bytes[4]).toBe(RESPONSE);
  const response = readResponse(sink.bytes, HEADER_BYTES, sink.bytes.length);
  expect(response.status).toBe(201);
  expect([...response.headers]).toEqual([...headers]);
  expect(response.body.toString()).toBe("grüße");
  expect(writer.response(4, 200, 0, "", "x".repeat(300_000))).toBe(false);
});

test("a response stream stops at its window and goes on with credit", async () => {
  const sink = new Taken();
  const writer = new FrameWriter();
  writer.attach(sink);
  const size = STREAM_WINDOW_BYTES + 1000;
  const body = new Blob([new Uint8Array(size)]).stream();
  const download = new Download(1, writer, body);
  const running = download.run();
  const sent = () => {
    writer.flush();
    return framesOf(sink.bytes).reduce(
      (sum, [type, , payload]) => sum + (type === RESPONSE_CHUNK ? payload.length : 0),
      0,
    );
  };
  while (sent() < STREAM_WINDOW_BYTES) await new Promise((next) => setImmediate(next));
  expect(sent()).toBe(STREAM_WINDOW_BYTES);
  download.credit(5000);
  await running;
  expect(sent()).toBe(size);
});

test("a request stream gives what came, then its end or its failure", async () => {
  const whole = new Upload(1, new FrameWriter());
  whole.push(Buffer.from("ab"));
  whole.push(Buffer.from("c"));
  whole.end();
  expect(await Bun.readableStreamToText(whole.stream)).toBe("abc");
  const torn = new Upload(2, new FrameWriter());
  torn.push(Buffer.from("ab"));
  torn.fail(new Error("gone"));
  expect(Bun.readableStreamToText(torn.stream)).rejects.toThrow("gone");
});
