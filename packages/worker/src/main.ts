// The program of a worker process: connects to the server, loads one bundle when told to, and serves its calls.
// Started as `bun worker.js <socket> <begun file>` in a private directory.

import { drainMicrotasks } from "bun:jsc";
import { Dispatcher, describe } from "./dispatcher.ts";
import { FrameReader, readU32 } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { installGlobals } from "./globals.ts";
import { LoadFailure, type LoadOrder, loadHandler, replaceEnvironment } from "./load.ts";
import { installConsole, LogWriter } from "./log.ts";
import { CHANNEL, PortChannel } from "./port-channel.ts";
import { prewarm } from "./prewarm.ts";
import * as protocol from "./protocol.ts";

const [socketPath = "", begunPath = ""] = process.argv.slice(2);
const map = Bun.mmap(begunPath, { shared: true });
const begun = new Uint32Array(map.buffer, map.byteOffset, 1);

const writer = new FrameWriter();
const log = new LogWriter(writer);
const dispatcher = new Dispatcher(writer, begun);
const ports = new PortChannel(writer);
const exit = process.exit.bind(process);

async function load(order: LoadOrder): Promise<void> {
  replaceEnvironment(order.env);
  try {
    dispatcher.serve(await loadHandler(order));
    writer.frame(protocol.LOADED, 0);
  } catch (error) {
    const failure =
      error instanceof LoadFailure ? error : new LoadFailure("import", describe(error));
    writer.frame(
      protocol.LOAD_ERROR,
      0,
      Buffer.from(JSON.stringify({ kind: failure.kind, ...failure.text })),
    );
  }
}

function onFrame(type: number, id: number, bytes: Buffer, start: number, end: number): void {
  switch (type) {
    case protocol.REQUEST:
      return dispatcher.begin(id, bytes, start, end);
    case protocol.REQUEST_CHUNK:
      return dispatcher.find(id)?.upload?.push(bytes.subarray(start, end));
    case protocol.REQUEST_END:
      return dispatcher.find(id)?.upload?.end();
    case protocol.CANCEL:
      return dispatcher.find(id)?.cancel(bytes[start] as number);
    case protocol.RESPONSE_CREDIT:
      return dispatcher.find(id)?.download?.credit(readU32(bytes, start));
    case protocol.PORT_REPLY:
      return ports.reply(id, bytes, start, end);
    case protocol.PING:
      return writer.frame(protocol.PONG, id);
    case protocol.LOAD:
      return void load(JSON.parse(bytes.utf8Slice(start, end)) as LoadOrder);
    default:
      throw new Error(`frame of unknown type ${type}`);
  }
}

const reader = new FrameReader(onFrame);

function end(error: unknown): void {
  log.runtimeError(describe(error).stack);
  writer.flush();
  exit(1);
}

process.on("uncaughtException", end);
process.on("unhandledRejection", end);
process.on("exit", () => writer.flush());
installGlobals();
installConsole(log);
Object.defineProperty(globalThis, CHANNEL, { value: { fetch: ports.fetch.bind(ports) } });
await prewarm();

await Bun.connect({
  unix: socketPath,
  socket: {
    open(socket) {
      const hello = Buffer.alloc(2);
      hello.writeUInt16LE(protocol.PROTOCOL_VERSION);
      writer.frame(protocol.HELLO, 0, hello);
      writer.attach(socket);
    },
    data(_socket, bytes) {
      writer.hold();
      reader.push(bytes);
      drainMicrotasks();
      dispatcher.endBatch();
      writer.release();
    },
    drain() {
      writer.drained();
    },
    close() {
      exit(0);
    },
    error(_socket, error) {
      end(error);
    },
  },
});
