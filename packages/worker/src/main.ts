// The program of a worker process: connects to the server, loads one bundle when told to, and serves its calls.
// Started as `bun worker.js <socket> <begun file>` in a private directory.

import { drainMicrotasks } from "bun:jsc";
import { writeSync } from "node:fs";
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
    const { handler, report } = await loadHandler(order);
    dispatcher.serve(handler);
    writer.frame(protocol.LOADED, 0, Buffer.from(report));
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
      dispatcher.begin(id, bytes, start, end);
      break;
    case protocol.REQUEST_CHUNK:
      dispatcher.find(id)?.upload?.push(bytes.subarray(start, end));
      break;
    case protocol.REQUEST_END:
      dispatcher.find(id)?.upload?.end();
      break;
    case protocol.CANCEL:
      dispatcher.find(id)?.cancel(bytes[start] as number);
      break;
    case protocol.RESPONSE_CREDIT:
      dispatcher.find(id)?.download?.credit(readU32(bytes, start));
      break;
    case protocol.PORT_REPLY:
      ports.reply(id, bytes, start, end);
      break;
    case protocol.PING:
      writer.frame(protocol.PONG, id);
      break;
    case protocol.LOAD:
      void load(JSON.parse(bytes.utf8Slice(start, end)) as LoadOrder);
      break;
    default:
      throw new Error(`frame of unknown type ${type}`);
  }
}

const reader = new FrameReader(onFrame);

let connected = false;

function end(error: unknown): void {
  // Before there is a channel, the server reads the reason from standard error.
  if (connected) log.runtimeError(describe(error).stack);
  else writeSync(2, describe(error).stack);
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
      connected = true;
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
