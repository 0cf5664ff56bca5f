// Imports a bundle and finds the handlers in it.

import { pathToFileURL } from "node:url";
import { describe, type ErrorText, type Handler } from "./dispatcher.ts";

/** The payload of a `LOAD` frame. */
export interface LoadOrder {
  readonly bundle: string;
  /** The same bundle as CommonJS with bytecode beside it, where there is one. */
  readonly bytecode: string | null;
  /** Exports that calls enter, by their places. */
  readonly handlers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Longest that code may compute in one piece. */
  readonly timeout_ms: number;
  /** Hosts that it may connect to; null for all. */
  readonly allowed_hosts: readonly string[] | null;
}

/** Far below what a frame holds. */
const REPORT_CHARACTERS_MAX = 2 * 1024 * 1024;

export class LoadFailure extends Error {
  readonly kind: "import" | "handler";
  readonly text: ErrorText;

  constructor(kind: "import" | "handler", text: ErrorText) {
    super(text.message);
    this.kind = kind;
    this.text = text;
  }
}

/** The variables that the function declared, and nothing else. */
export function replaceEnvironment(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
}

/** What a bundle gave: its handlers, and for the server as JSON `{config, exports}`. */
export interface Loaded {
  readonly handlers: readonly Handler[];
  readonly report: string;
}

export async function loadHandlers(order: LoadOrder): Promise<Loaded> {
  const compiled =
    order.bytecode === null ? undefined : fromBytecode(order.bytecode, order.handlers);
  if (compiled !== undefined) return compiled;
  let exports: Record<string, unknown>;
  try {
    exports = (await import(pathToFileURL(order.bundle).href)) as Record<string, unknown>;
  } catch (error) {
    throw new LoadFailure("import", importText(error));
  }
  const handlers = findHandlers(exports, order.handlers);
  if (handlers !== undefined) return { handlers, report: reportOf(exports) };
  const [wanted = "default"] = order.handlers;
  throw new LoadFailure("handler", { message: missingText(exports, wanted), stack: "" });
}

/** `undefined` where only the plain bundle can work, or can say why it does not. */
function fromBytecode(path: string, names: readonly string[]): Loaded | undefined {
  try {
    // Gives the exports themselves; an import may wrap them in one more `default`.
    const exports = import.meta.require(path) as Record<string, unknown>;
    const handlers = findHandlers(exports, names);
    return handlers && { handlers, report: reportOf(exports) };
  } catch {
    return undefined;
  }
}

/** What the bundle declares about itself, and the exports that can be called. */
function reportOf(exports: Record<string, unknown>): string {
  // Not of a default object: applications of some frameworks have a `config` of their own.
  const config = isRecord(exports.config) ? exports.config : null;
  const names = scopesOf(exports).flatMap((scope) =>
    Object.keys(scope).filter((name) => canBeCalled(scope, name)),
  );
  try {
    const report = JSON.stringify({ config, exports: names });
    if (report.length <= REPORT_CHARACTERS_MAX) return report;
  } catch (error) {
    throw new LoadFailure("import", {
      message: `the export "config" cannot be written as JSON: ${describe(error).message}`,
      stack: "",
    });
  }
  throw new LoadFailure("import", { message: 'the export "config" is too large', stack: "" });
}

/**
 * A handler for each of the names, in their order: one that is missing fails its calls, so that the server can say
 * what is wrong with the manifest. `undefined` where none is there, and the module does not name others itself.
 */
function findHandlers(
  exports: Record<string, unknown>,
  names: readonly string[],
): Handler[] | undefined {
  const handlers: Handler[] = [];
  let isAny = isRecord(exports.config) && Array.isArray(exports.config.handlers);
  // Not with `map`: the module may have put something else in its place.
  for (const name of names) {
    const found = findHandler(exports, name);
    isAny ||= found !== undefined;
    handlers.push(found ?? missing(exports, name));
  }
  return isAny ? handlers : undefined;
}

function missing(exports: Record<string, unknown>, name: string): Handler {
  return () => {
    throw new TypeError(missingText(exports, name));
  };
}

function missingText(exports: Record<string, unknown>, name: string): string {
  const names = Object.keys(exports).join(", ") || "none";
  return name === "default"
    ? `the bundle has no handler: export a default function, a default object with fetch, or a function named handler (exports: ${names})`
    : `the bundle has no function or object with fetch exported as "${name}" (exports: ${names})`;
}

/** Bundles that were CommonJS before have their exports one `default` deeper. */
function findHandler(exports: Record<string, unknown>, name: string): Handler | undefined {
  const scopes = scopesOf(exports);
  const names = name === "default" ? ["default", "handler"] : [name];
  for (const candidate of names) {
    for (const scope of scopes) {
      const handler = callable(scope[candidate]);
      if (handler !== undefined) return handler;
    }
  }
  return undefined;
}

/** Where handlers stand: among the exports, and where their names are no identifiers in the export `handlers`. */
function scopesOf(exports: Record<string, unknown>): Record<string, unknown>[] {
  const { default: inner, handlers } = exports;
  const scopes = isRecord(inner) ? [exports, inner] : [exports];
  return isRecord(handlers) ? [...scopes, handlers] : scopes;
}

function canBeCalled(scope: Record<string, unknown>, name: string): boolean {
  try {
    return callable(scope[name]) !== undefined;
  } catch {
    return false;
  }
}

function callable(value: unknown): Handler | undefined {
  if (typeof value === "function") return value as Handler;
  if (!isRecord(value)) return undefined;
  const { fetch } = value;
  return typeof fetch === "function"
    ? (request, context) => Reflect.apply(fetch, value, [request, context])
    : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A bundle that does not parse throws one message, or several in an aggregate, each with its position. */
function importText(error: unknown): ErrorText {
  const parts = error instanceof AggregateError ? error.errors : [error];
  const texts = parts.map((part: unknown) => {
    const text = describe(part);
    const position = isRecord(part) && isRecord(part.position) ? part.position : undefined;
    if (position === undefined) return text;
    return {
      ...text,
      message: `${text.message} (line ${position.line}, column ${position.column})`,
    };
  });
  return {
    message: texts.map((text) => text.message).join("; "),
    stack: texts.map((text) => text.stack).join("\n"),
  };
}
