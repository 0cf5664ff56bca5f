// The program of a worker process: connects to the server, loads one bundle when told to, and serves its calls.
// Started as `bun worker.js <socket> <begun file>` in a private directory.

import { drainMicrotasks } from "bun:jsc";
import { writeSync } from "node:fs";
import { Dispatcher, describe } from "./dispatcher.ts";
import { FrameReader, readU32 } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { installGlobals } from "./globals.ts";
import { Guard } from "./guard.ts";
import { LoadFailure, type LoadOrder, loadHandlers, replaceEnvironment } from "./load.ts";
import { installConsole, LogWriter, scopes } from "./log.ts";
import { restrictHosts } from "./outbound.ts";
import { CHANNEL, PortChannel, waitUntil } from "./port-channel.ts";
import { prewarm } from "./prewarm.ts";
import { refuseProcesses } from "./processes.ts";
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
  if (order.allowed_hosts !== null) restrictHosts(order.allowed_hosts);
  try {
    const { handlers, report } = await loadHandlers(order);
    dispatcher.serve(handlers);
    guard.limit(order.timeout_ms + SLICE_MS);
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

/** Handles a frame; `true` where nothing of what it began can be waiting for a turn. */
function onFrame(type: number, id: number, bytes: Buffer, start: number, end: number): boolean {
  switch (type) {
    case protocol.REQUEST:
      return dispatcher.begin(id, bytes, start, end);
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
  return false;
}

/** How long frames are handled under one time limit, so that a call does not pay for those before it. */
const SLICE_MS = 10;

/** The call that the frame in work is about. */
let current = 0;

const reader = new FrameReader((type, id, bytes, start, end) => {
  current = type === protocol.PORT_REPLY ? ports.callOf(id) : id;
  // The engine forgets all microtasks that are due when it stops one of them. After each frame that leaves some, and
  // not after all frames, those are only the ones of the call that is stopped.
  if (!onFrame(type, id, bytes, start, end)) drainMicrotasks();
});
const guard = new Guard(() => {
  drained = reader.drain(SLICE_MS);
  drainMicrotasks();
});
let drained = true;

/** Handles what has arrived. A call that is stopped in it does not take the others with it. */
function handleFrames(): void {
  for (;;) {
    if (!guard.run()) {
      // Behind an `await` the engine has forgotten whose code it stopped.
      const stopped = scopes.getStore()?.id ?? current;
      scopes.enterWith(undefined);
      dispatcher.stop(stopped);
    } else if (drained) {
      return;
    }
    // It takes long: what is answered need not wait for the rest.
    writer.flush();
  }
}

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
refuseProcesses();
Object.defineProperty(globalThis, CHANNEL, {
  value: { fetch: ports.fetch.bind(ports), waitUntil },
});
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
      handleFrames();
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
