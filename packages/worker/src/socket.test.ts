import { afterEach, expect, spyOn, test } from "bun:test";
import {
  BINARY,
  CLOSE,
  decodeClose,
  encodeClose,
  encodeMessage,
  MessageDecoder,
  TEXT,
} from "./messages.ts";
import { BODY_SOCKET } from "./protocol.ts";
import { BUFFERED_BYTES_MAX, FunctionSocket } from "./socket.ts";
import { callOf } from "./testing.ts";

interface Pair {
  readonly socket: FunctionSocket & WebSocket;
  /** The messages that the handler sent, as text. */
  readonly sent: string[];
  readonly ended: Promise<void>;
  client(...messages: Uint8Array[]): void;
  leave(): void;
}

const pairs: Pair[] = [];
afterEach(() => {
  for (const pair of pairs.splice(0)) pair.client(encodeClose(1000, ""));
});

/** A socket with what stands for the server; `reads` is false for a client that does not. */
function pair({ reads = true } = {}): Pair {
  const socket = new FunctionSocket("ws://a/", "", () => undefined);
  let client: ReadableStreamDefaultController<Uint8Array> | undefined;
  const incoming = new ReadableStream<Uint8Array>({
    start(controller) {
      client = controller;
    },
  });
  const sent: string[] = [];
  const read = async (): Promise<void> => {
    const decoder = new MessageDecoder();
    for await (const chunk of socket.outgoing)
      for (const { kind, payload } of decoder.push(chunk)) {
        const text = kind === CLOSE ? JSON.stringify(decodeClose(payload)) : payload.toString();
        sent.push(`${kind}:${text}`);
      }
  };
  const made = {
    socket: socket as unknown as FunctionSocket & WebSocket,
    sent,
    ended: reads ? read() : Promise.resolve(),
    client: (...messages: Uint8Array[]) => {
      for (const message of messages) if (socket.readyState < 3) client?.enqueue(message);
    },
    leave: () => client?.error(new Error("gone")),
  };
  pairs.push(made);
  setTimeout(() => void socket.run(incoming));
  return made;
}

function next(socket: EventTarget, type: string): Promise<Event> {
  return new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
}

test("messages are the same however the bytes are cut", () => {
  const messages = [
    encodeMessage(TEXT, "grüße"),
    encodeMessage(BINARY, new Uint8Array()),
    encodeMessage(BINARY, new Uint8Array([0, 255])),
    encodeClose(4001, "bye"),
  ];
  const bytes = Buffer.concat(messages);
  for (let size = 1; size <= bytes.length; size += 1) {
    const decoder = new MessageDecoder();
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size)
      for (const { kind, payload } of decoder.push(bytes.subarray(at, at + size)))
        found.push(`${kind}:${payload.toString("hex")}`);
    expect(found).toEqual([
      `1:${Buffer.from("grüße").toString("hex")}`,
      "2:",
      "2:00ff",
      `3:a10f${Buffer.from("bye").toString("hex")}`,
    ]);
  }
  expect(decodeClose(Buffer.alloc(0))).toEqual({ code: 1005, reason: "" });
});

test("messages come and go in their order, whatever they are made of", async () => {
  const { socket, sent, client, ended } = pair();
  socket.binaryType = "arraybuffer";
  const got: unknown[] = [];
  socket.onmessage = ({ data }) => got.push(data);
  expect(() => socket.send("too early")).toThrow("not open yet");
  await next(socket, "open");
  socket.send(new Blob(["blob"]));
  const bytes = new Uint8Array([...Buffer.from("bytes")]);
  socket.send(bytes);
  bytes.fill(0);
  socket.send("text");
  client(encodeMessage(TEXT, "hi"), encodeMessage(BINARY, new Uint8Array([7])));
  while (sent.length < 3) await Bun.sleep(1);
  expect(sent).toEqual(["2:blob", "2:bytes", "1:text"]);
  client(encodeClose(4000, "done"));
  const close = (await next(socket, "close")) as CloseEvent;
  await ended;
  expect(got).toEqual(["hi", new Uint8Array([7]).buffer]);
  expect([close.code, close.reason, close.wasClean]).toEqual([4000, "done", true]);
  expect(socket.readyState).toBe(3);
});

test("a close of the handler is sent behind its messages, and ends with the client's", async () => {
  const { socket, sent, client, ended } = pair();
  await next(socket, "open");
  expect(() => socket.close(1001)).toThrow("3000 to 4999");
  expect(() => socket.close(1000, "x".repeat(124))).toThrow("123 bytes");
  socket.send(new Blob(["blob"]));
  socket.send("last");
  socket.close(4001, "bye");
  expect(socket.readyState).toBe(2);
  while (sent.length < 3) await Bun.sleep(1);
  expect(sent).toEqual(["2:blob", "1:last", '3:{"code":4001,"reason":"bye"}']);
  client(encodeClose(4001, "bye"));
  await ended;
  expect(socket.readyState).toBe(3);
});

test("a client that is gone is an error and an unclean close", async () => {
  const { socket, leave } = pair();
  const events: string[] = [];
  socket.onerror = () => events.push("error");
  socket.onclose = ({ code, wasClean }) => events.push(`close ${code} ${wasClean}`);
  await next(socket, "open");
  leave();
  await next(socket, "close");
  expect(events).toEqual(["error", "close 1006 false"]);
});

test("a listener that fails closes its socket with 1011", async () => {
  const logged = spyOn(console, "error").mockImplementation(() => undefined);
  for (const fail of [() => Promise.reject(new Error("async")), () => JSON.parse("{")]) {
    const { socket, sent, client } = pair();
    socket.onmessage = fail;
    await next(socket, "open");
    client(encodeMessage(TEXT, "x"));
    while (sent.length < 1) await Bun.sleep(1);
    expect(sent).toEqual(['3:{"code":1011,"reason":"the function failed"}']);
  }
  expect(logged).toHaveBeenCalledTimes(2);
  logged.mockRestore();
});

test("what waits for a client that does not read is counted, and bounded", async () => {
  const { socket } = pair({ reads: false });
  await next(socket, "open");
  const piece = new Uint8Array(BUFFERED_BYTES_MAX / 2);
  socket.send(piece);
  socket.send(piece);
  expect(socket.bufferedAmount).toBe(BUFFERED_BYTES_MAX);
  expect(socket.readyState).toBe(1);
  socket.send("one more");
  expect(socket.readyState).toBe(3);
  await expect(socket.outgoing.getReader().read()).rejects.toThrow("does not read");
});

test("a handler's property has one listener, which can be taken away", async () => {
  const { socket, client } = pair();
  const got: string[] = [];
  socket.onmessage = () => got.push("first");
  socket.onmessage = () => got.push("second");
  const removed = (): unknown => got.push("removed");
  socket.addEventListener("message", removed);
  socket.removeEventListener("message", removed);
  await next(socket, "open");
  client(encodeMessage(TEXT, "x"));
  await next(socket, "message");
  expect(got).toEqual(["second"]);
});

test("only a request for a WebSocket is upgraded, once, to an offered protocol", () => {
  expect(() => callOf({}).upgrade(undefined)).toThrow("no upgrade to a WebSocket");
  const asked = { headers: { "sec-websocket-protocol": "a, b" }, bodyKind: BODY_SOCKET };
  expect(() => callOf(asked).upgrade("c")).toThrow("does not offer");
  const call = callOf(asked);
  expect(call.upgrade("b").protocol).toBe("b");
  expect(() => call.upgrade(undefined)).toThrow("before");
});
