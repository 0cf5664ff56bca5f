// Imports a bundle and finds the handler in it.

import { pathToFileURL } from "node:url";
import { describe, type ErrorText, type Handler } from "./dispatcher.ts";

/** The payload of a `LOAD` frame. */
export interface LoadOrder {
  readonly bundle: string;
  /** The same bundle as CommonJS with bytecode beside it, where there is one. */
  readonly bytecode: string | null;
  readonly handler: string;
  readonly env: Readonly<Record<string, string>>;
  /** Longest that code may compute in one piece. */
  readonly timeout_ms: number;
  /** Hosts that it may connect to; null for all. */
  readonly allowed_hosts: readonly string[] | null;
}

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

export async function loadHandler(order: LoadOrder): Promise<Handler> {
  const compiled =
    order.bytecode === null ? undefined : fromBytecode(order.bytecode, order.handler);
  if (compiled !== undefined) return compiled;
  let exports: Record<string, unknown>;
  try {
    exports = (await import(pathToFileURL(order.bundle).href)) as Record<string, unknown>;
  } catch (error) {
    throw new LoadFailure("import", importText(error));
  }
  const handler = findHandler(exports, order.handler);
  if (handler !== undefined) return handler;
  const names = Object.keys(exports).join(", ") || "none";
  const message =
    order.handler === "default"
      ? `the bundle has no handler: export a default function, a default object with fetch, or a function named handler (exports: ${names})`
      : `the bundle has no function or object with fetch exported as "${order.handler}" (exports: ${names})`;
  throw new LoadFailure("handler", { message, stack: "" });
}

/** `undefined` where only the plain bundle can work, or can say why it does not. */
function fromBytecode(path: string, name: string): Handler | undefined {
  try {
    // Gives the exports themselves; an import may wrap them in one more `default`.
    return findHandler(import.meta.require(path), name);
  } catch {
    return undefined;
  }
}

/** Bundles that were CommonJS before have their exports one `default` deeper. */
function findHandler(exports: Record<string, unknown>, name: string): Handler | undefined {
  const inner = exports.default;
  const scopes = isRecord(inner) ? [exports, inner] : [exports];
  const names = name === "default" ? ["default", "handler"] : [name];
  for (const candidate of names) {
    for (const scope of scopes) {
      const handler = callable(scope[candidate]);
      if (handler !== undefined) return handler;
    }
  }
  return undefined;
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
