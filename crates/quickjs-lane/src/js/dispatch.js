// The entrance for Rust: makes the global names, finds the handlers, runs calls, delivers outcomes.

const [HANDLER_FAILED, NO_RESPONSE] = [1, 2];
const handlers = [];

const globals = {
  AbortController,
  AbortSignal,
  Blob,
  CryptoKey,
  CustomEvent,
  Event,
  EventTarget,
  FormData: missing("FormData"),
  Headers,
  ReadableStream,
  Request,
  Response,
  TextDecoder,
  TextEncoder,
  TransformStream: missing("TransformStream"),
  URL,
  URLSearchParams,
  WebSocket: missing("WebSocket"),
  WritableStream: missing("WritableStream"),
  atob,
  btoa,
  clearInterval: clearTimeout,
  clearTimeout,
  console,
  crypto,
  fetch,
  performance,
  queueMicrotask,
  setInterval,
  setTimeout,
  structuredClone,
};

let isOpen = false;

/**
 * Called once for each instance, before the function's own module runs. That one could import this one by its name,
 * so nothing else is exported, and it works once.
 */
export function open(offered, environment) {
  if (isOpen) throw new TypeError("the runtime is open already");
  isOpen = true;
  native = offered;
  const define = (name, value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  for (const name of Object.keys(globals)) define(name, globals[name]);
  define("self", globalThis);
  define("process", { env: Object.fromEntries(environment) });
  define(Symbol.for("bunbase.channel"), channel);
  resetTurns(native.fetchesMax);
  return { bind, dispatch, deliver, explain };
}

/**
 * Finds the handlers among the exports of the function's module: one that is missing fails its calls. Two texts: why
 * there is none, where the module does not name others itself, and what it says about itself, where that is wanted;
 * each empty otherwise.
 */
function bind(exports, names, wantsReport) {
  let isAny = Array.isArray(exports.config?.handlers);
  // Not with `map`: the module may have put something else in its place.
  for (let index = 0; index < names.length; index++) {
    const found = findHandler(exports, names[index]);
    isAny ||= found !== undefined;
    handlers[index] = found ?? missingHandler(exports, names[index]);
  }
  if (!isAny) return [missingText(exports, names[0]), ""];
  return ["", wantsReport ? reportOf(exports) : ""];
}

function missingHandler(exports, name) {
  return () => {
    throw new TypeError(missingText(exports, name));
  };
}

function missingText(exports, name) {
  const names = Object.keys(exports).join(", ") || "none";
  return name === "default"
    ? `the bundle has no handler: export a default function, a default object with fetch, or a function named handler (exports: ${names})`
    : `the bundle has no function or object with fetch exported as "${name}" (exports: ${names})`;
}

const REPORT_CHARACTERS_MAX = 256 * 1024;

/** JSON `{config, exports}`: what the module declares, and the exports that can be called. */
function reportOf(exports) {
  // Not of a default object: applications of some frameworks have a `config` of their own.
  const config = typeof exports.config === "object" ? exports.config : null;
  const names = scopesOf(exports).flatMap((scope) => Object.keys(scope).filter((name) => canBeCalled(scope, name)));
  let report;
  try {
    report = JSON.stringify({ config, exports: names });
  } catch (error) {
    throw new TypeError(`the export "config" cannot be written as JSON: ${explain(error)[0]}`);
  }
  if (report.length > REPORT_CHARACTERS_MAX) throw new RangeError('the export "config" is too large');
  return usv(report);
}

/** Bundles that were CommonJS before have their exports one `default` deeper. */
function scopesOf(exports) {
  const inner = exports.default;
  return typeof inner === "object" && inner !== null ? [exports, inner] : [exports];
}

function canBeCalled(scope, name) {
  try {
    return callable(scope[name]) !== undefined;
  } catch {
    return false;
  }
}

function findHandler(exports, name) {
  for (const candidate of name === "default" ? ["default", "handler"] : [name]) {
    for (const scope of scopesOf(exports)) {
      const found = callable(scope[candidate]);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function callable(value) {
  if (typeof value === "function") return value;
  if (typeof value !== "object" || value === null || typeof value.fetch !== "function") return undefined;
  return (request, context) => value.fetch(request, context);
}

/**
 * Runs a call of the handler at a place, with the parameters of the path as JSON: `body` is bytes, undefined for none,
 * or a text that says why it broke off.
 */
function dispatch(index, params, method, url, block, body) {
  forget();
  const request = new Request(INTERNAL, { method, url, block, content: incoming(body) });
  try {
    const context = { params: params === "" ? {} : JSON.parse(params) };
    const result = handlers[index](request, context);
    if (result instanceof Response) answer(result);
    else Promise.resolve(result).then(answer).catch(failed);
  } catch (error) {
    failed(error);
  }
}

function incoming(body) {
  if (body === undefined) return null;
  return typeof body === "string" ? new TypeError(body) : new Uint8Array(body);
}

/** What an earlier call left behind is over. */
function forget() {
  pending.clear();
  forgetTimers();
  indent = "";
}

function answer(result) {
  if (!(result instanceof Response)) {
    native.fail(NO_RESPONSE, `the handler returned ${described(result)}, which is no Response`, "");
    return;
  }
  if (result.type === "error") throw new TypeError("the handler returned Response.error()");
  const content = hasBody(result) ? takeContent(result) : undefined;
  native.answer(result.status, headerBlock(result.headers), content);
}

function described(value) {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? `an object of ${value.constructor?.name ?? "no class"}` : `a ${typeof value}`;
}

function failed(error) {
  const [message, stack] = explain(error);
  native.fail(HANDLER_FAILED, message, stack);
}

/** Name with message, and the stack, of whatever was thrown. */
function explain(error) {
  if (!(error instanceof Error)) return [usv(inspect(error, 1)), ""];
  return [usv(`${error.name}: ${error.message}`), usv(errorText(error))];
}

/** Hands over the outcome of an operation. */
function deliver(id, outcome) {
  const settle = pending.get(id);
  if (settle === undefined) return;
  pending.delete(id);
  try {
    settle(outcome);
  } catch (error) {
    uncaught(error);
  }
}

/** An error that no code of the function can catch any more fails the call. */
function uncaught(error) {
  failed(error);
}
