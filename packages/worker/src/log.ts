// `console.*` and errors of the runtime as log frames, tagged with the call that wrote them. Bounded: a budget of
// bytes that refills with time; what is over it is dropped and counted in the next line that passes.

import { AsyncLocalStorage } from "node:async_hooks";
import { Console } from "node:console";
import type { FrameWriter } from "./frame-writer.ts";
import {
  LEVEL_DEBUG,
  LEVEL_ERROR,
  LEVEL_INFO,
  LEVEL_WARN,
  LOG,
  SOURCE_CONSOLE,
  SOURCE_RUNTIME,
} from "./protocol.ts";

/** What is asked about the call in whose course code runs. */
export interface CallScope {
  readonly id: number;
  readonly invocationId: string;
  waitUntil(work: unknown): void;
  upgrade(protocol: string | undefined): EventTarget;
}

export const scopes = new AsyncLocalStorage<CallScope | undefined>();

export const LINE_BYTES_MAX = 16 * 1024;
/** Longer fields are replaced by a mark: half of an object is none. */
export const FIELDS_BYTES_MAX = 16 * 1024;
const BUDGET_BYTES_MAX = 4 * 1024 * 1024;
const BUDGET_BYTES_PER_MS = 4 * 1024;
const LINE_OVERHEAD_BYTES = 64;
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

export class LogWriter {
  readonly #writer: FrameWriter;
  #budgetBytes = BUDGET_BYTES_MAX;
  #refilledAt = performance.now();
  #dropped = 0;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  console(level: number, text: string, fields = ""): void {
    this.#write(level, SOURCE_CONSOLE, text, fields);
  }

  runtimeError(text: string): void {
    this.#write(LEVEL_ERROR, SOURCE_RUNTIME, text, "");
  }

  #write(level: number, source: number, text: string, fields: string): void {
    const bytes = Math.min(text.length, LINE_BYTES_MAX) + fields.length + LINE_OVERHEAD_BYTES;
    if (!this.#pay(bytes)) {
      this.#dropped += 1;
      return;
    }
    const scope = scopes.getStore();
    const invocationId = Buffer.from(scope?.invocationId ?? "", "latin1");
    const object = Buffer.from(fields, "utf8");
    const head = Buffer.allocUnsafe(12);
    head.writeUInt8(level, 0);
    head.writeUInt8(source, 1);
    head.writeUInt32LE(this.#dropped, 2);
    head.writeUInt16LE(invocationId.length, 6);
    head.writeUInt32LE(object.length, 8);
    this.#dropped = 0;
    this.#writer.frame(LOG, scope?.id ?? 0, head, invocationId, object, cut(text));
  }

  #pay(bytes: number): boolean {
    if (this.#writer.waitingBytes > WAITING_BYTES_MAX) return false;
    if (this.#budgetBytes < bytes) {
      const now = performance.now();
      const refill = (now - this.#refilledAt) * BUDGET_BYTES_PER_MS;
      this.#budgetBytes = Math.min(BUDGET_BYTES_MAX, this.#budgetBytes + refill);
      this.#refilledAt = now;
      if (this.#budgetBytes < bytes) return false;
    }
    this.#budgetBytes -= bytes;
    return true;
  }
}

function cut(text: string): Uint8Array {
  const bytes = Buffer.from(
    text.length > LINE_BYTES_MAX ? text.slice(0, LINE_BYTES_MAX) : text,
    "utf8",
  );
  return bytes.length > LINE_BYTES_MAX ? bytes.subarray(0, LINE_BYTES_MAX) : bytes;
}

/** The last parameter as JSON where it is a plain object; empty where it is none, or has no JSON. */
export function fieldsOf(parameters: readonly unknown[]): string {
  const last = parameters.at(-1);
  if (typeof last !== "object" || last === null) return "";
  const prototype: unknown = Object.getPrototypeOf(last);
  if (prototype !== Object.prototype && prototype !== null) return "";
  try {
    const json = JSON.stringify(last);
    if (!json.startsWith("{")) return "";
    const bytes = Buffer.byteLength(json);
    if (bytes <= FIELDS_BYTES_MAX) return json;
    return `{"cut":"${bytes} bytes of fields are more than are kept"}`;
  } catch {
    // A cycle, or a BigInt: the message has it.
    return "";
  }
}

const LEVELS: Readonly<Record<string, number>> = {
  debug: LEVEL_DEBUG,
  trace: LEVEL_DEBUG,
  warn: LEVEL_WARN,
  error: LEVEL_ERROR,
  assert: LEVEL_ERROR,
};

/** Replaces the methods of the global console; formatting is the one of `node:console`. */
export function installConsole(log: LogWriter): void {
  let level = LEVEL_INFO;
  let indent = 0;
  let fields = "";
  const sink = {
    write(text: string): boolean {
      log.console(level, text.endsWith("\n") ? text.slice(0, -1) : text, fields);
      return true;
    },
    on: ignore,
    once: ignore,
    off: ignore,
    removeListener: ignore,
    listenerCount: () => 0,
  } as unknown as NodeJS.WritableStream;
  const formatting = new Console({ stdout: sink, stderr: sink, colorMode: false });
  for (const name of Object.keys(formatting) as (keyof Console)[]) {
    const format: unknown = formatting[name];
    if (typeof format !== "function" || typeof globalThis.console[name] !== "function") continue;
    Reflect.set(globalThis.console, name, (...parameters: unknown[]) => {
      level = LEVELS[name] ?? LEVEL_INFO;
      if (parameters.length === 1 && typeof parameters[0] === "string" && name in PLAIN) {
        if (indent === 0) return void log.console(level, parameters[0]);
      }
      if (name === "group" || name === "groupCollapsed") indent += 1;
      if (name === "groupEnd" && indent > 0) indent -= 1;
      fields = name in PLAIN ? fieldsOf(parameters) : "";
      return Reflect.apply(format, formatting, parameters);
    });
  }
}

// Methods whose parameters are a message and what belongs to it. One string goes as it is: no format to apply.
const PLAIN = { log: true, info: true, warn: true, error: true, debug: true };

function ignore(): void {
  // The sink has no events.
}
