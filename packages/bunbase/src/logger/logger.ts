/** Structured log lines: a message, and fields beside it. */
import { normalized, redacted } from "./redact.ts";

const WEIGHT = { debug: 10, info: 20, warn: 30, error: 40 } as const;

export type LogLevel = keyof typeof WEIGHT;

export type LogFields = Record<string, unknown>;

export interface LogEntry {
  /** Milliseconds since the epoch. */
  time: number;
  level: LogLevel;
  message: string;
  /** Without secrets. */
  fields: LogFields;
}

export interface LoggerOptions {
  /** The least that is written: `LOG_LEVEL`, or `info`. */
  level?: LogLevel;
  /** On every line. */
  fields?: LogFields;
  /** Names of further fields whose values are never written. */
  redact?: readonly string[];
  /** Where lines go, the console unless said. */
  write?: (entry: LogEntry) => void;
}

/** What `ctx.logger` is. Fields under names such as `password` and `token` are redacted, however deep. */
export class Logger {
  readonly level: LogLevel;
  readonly #options: Required<Omit<LoggerOptions, "level" | "redact">>;
  readonly #redact: ReadonlySet<string>;

  constructor({ level, fields = {}, redact = [], write = writeLine }: LoggerOptions = {}) {
    this.level = level ?? levelOf(process.env.LOG_LEVEL) ?? "info";
    this.#options = { fields, write };
    this.#redact = new Set(redact.map(normalized));
  }

  debug(message: string, fields?: LogFields | Error): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields | Error): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields | Error): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields | Error): void {
    this.#log("error", message, fields);
  }

  /** The same, with `fields` on every line. */
  child(fields: LogFields): Logger {
    const { fields: own, write } = this.#options;
    const redact = [...this.#redact];
    return new Logger({ level: this.level, fields: { ...own, ...fields }, redact, write });
  }

  #log(level: LogLevel, message: string, given: LogFields | Error = {}): void {
    if (WEIGHT[level] < WEIGHT[this.level]) return;
    const fields = given instanceof Error ? { error: given } : given;
    const all = redacted({ ...this.#options.fields, ...fields }, this.#redact) as LogFields;
    this.#options.write({ time: Date.now(), level, message, fields: all });
  }
}

function levelOf(name: string | undefined): LogLevel | undefined {
  return name !== undefined && Object.hasOwn(WEIGHT, name) ? (name as LogLevel) : undefined;
}

const CHANNEL = Symbol.for("bunbase.channel");

/** In a worker the platform takes message and fields; elsewhere it is a line for people, or of JSON. */
export function writeLine({ time, level, message, fields }: LogEntry): void {
  const at = new Date(time).toISOString();
  if (CHANNEL in globalThis) writeInWorker(level, message, fields);
  else if (process.stdout.isTTY) console[level](pretty(at, level, message, fields));
  else console[level](JSON.stringify({ ...fields, time: at, level, message }));
}

/** A message with something behind it is a format for the console. */
function writeInWorker(level: LogLevel, message: string, fields: LogFields): void {
  if (Object.keys(fields).length === 0) console[level](message);
  else console[level](message.replaceAll("%", "%%"), fields);
}

const COLOR = { debug: 90, info: 36, warn: 33, error: 31 } as const;

function pretty(at: string, level: LogLevel, message: string, fields: LogFields): string {
  const mark = `\u001b[${COLOR[level]}m${level.toUpperCase().padEnd(5)}\u001b[0m`;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
  return [at.slice(11, 23), mark, message, ...rest].join(" ");
}

function shown(value: unknown): string {
  const stack = (value as { stack?: unknown } | null)?.stack;
  if (typeof stack === "string") return `\n${stack}`;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
}
