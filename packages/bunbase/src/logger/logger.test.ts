/** Log lines: which are written, with which fields, and without which. */
import { afterEach, expect, spyOn, test } from "bun:test";
import { type LogEntry, Logger } from "./logger.ts";
import { LoggerSession, SESSION_ENTRIES_MAX } from "./session.ts";

const CHANNEL = Symbol.for("bunbase.channel");
const host = globalThis as { [CHANNEL]?: unknown };
afterEach(() => {
  delete host[CHANNEL];
});

function recorded(options: object = {}): { logger: Logger; entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  return { logger: new Logger({ ...options, write: (entry) => entries.push(entry) }), entries };
}

test("lines below the level are not written, and children add fields", () => {
  const { logger, entries } = recorded({ level: "warn", fields: { app: "a" } });
  const child = logger.child({ action: "b" });
  child.info("no");
  child.warn("yes", { n: 1 });
  expect(entries.map(({ level, message, fields }) => [level, message, fields])).toEqual([
    ["warn", "yes", { app: "a", action: "b", n: 1 }],
  ]);
});

test("secrets are replaced by their names, however deep and however written", () => {
  const { logger, entries } = recorded({ redact: ["ssn"] });
  const error = Object.assign(new Error("boom"), { cause: { Authorization: "s3cret" } });
  logger.child({ "x-api-key": "s3cret" }).error("line", {
    user: { password: "s3cret", password_hash: "s3cret", name: "ann", SSN: "s3cret" },
    list: [{ accessToken: "s3cret" }, { "Set-Cookie": "s3cret" }],
    tokenCount: 3,
    error,
  });
  const text = JSON.stringify(entries);
  expect(text).not.toContain("s3cret");
  expect(text).toContain('"tokenCount":3');
  expect(text).toContain('"name":"ann"');
  expect(text).toContain('"message":"boom"');
});

test("what has no JSON, or no end, is written all the same", () => {
  const { logger, entries } = recorded();
  const cycle: Record<string, unknown> = { n: 5n, at: new Date(0), bytes: new Uint8Array(3) };
  cycle.self = cycle;
  logger.info("line", cycle);
  expect(JSON.stringify(entries[0]?.fields)).toContain('"n":"5","at":"1970-01-01T00:00:00.000Z"');
  logger.error("failed", new TypeError("no"));
  expect(entries[1]?.fields.error).toMatchObject({ name: "TypeError", message: "no" });
});

test("in a worker the console is given message and fields, elsewhere a line of JSON", () => {
  const spy = spyOn(console, "info").mockImplementation(() => undefined);
  host[CHANNEL] = {};
  new Logger().info("100%", { n: 1 });
  new Logger().info("100%");
  delete host[CHANNEL];
  const { isTTY } = process.stdout;
  process.stdout.isTTY = false;
  new Logger().info("hello", { n: 1 });
  process.stdout.isTTY = isTTY;
  const calls = spy.mock.calls;
  spy.mockRestore();
  expect(calls.slice(0, 2)).toEqual([["100%%", { n: 1 }], ["100%"]]);
  expect(JSON.parse(calls[2]?.[0])).toMatchObject({ n: 1, level: "info", message: "hello" });
});

test("a session keeps its first lines, and counts the others", () => {
  const session = new LoggerSession({ write: () => undefined });
  const child = session.child({ n: 1 });
  for (let i = 0; i < SESSION_ENTRIES_MAX + 5; i++) child.info(`line ${i}`);
  expect(session.entries.length).toBe(SESSION_ENTRIES_MAX);
  expect(session.entries[0]).toMatchObject({ message: "line 0", fields: { n: 1 } });
  expect(session.dropped).toBe(5);
});
