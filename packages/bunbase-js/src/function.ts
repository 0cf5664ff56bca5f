/**
 * `import { bunbase } from "bunbase-js/function"`: the project's own client inside a deployed
 * function. It needs no address and no key: calls travel over the channel that the worker has to
 * the server already, with the rights of a secret key.
 */
import { clientOver, type ProjectClient } from "./client.ts";
import { BunbaseError } from "./errors.ts";
import type { WireRequest } from "./transport.ts";

/** What the worker puts at `globalThis[Symbol.for("bunbase.channel")]`. */
export interface FunctionChannel {
  fetch(request: ChannelRequest): Promise<Response>;
  waitUntil(work: Promise<unknown>): void;
  /** Not in the runtime quickjs. */
  upgradeWebSocket?(request: Request, options?: UpgradeOptions): WebSocketUpgrade;
}

export interface UpgradeOptions {
  /** One of the protocols that the client offers, to be spoken. */
  protocol?: string;
}

/** A WebSocket, and the answer with which it is opened. */
export interface WebSocketUpgrade {
  socket: WebSocket;
  response: Response;
}

interface ChannelRequest extends Omit<WireRequest, "body"> {
  body?: string | Uint8Array | undefined;
}

const CHANNEL = Symbol.for("bunbase.channel");

/** Subscriptions are not here: a function answers and ends. */
export const bunbase: ProjectClient = clientOver(async ({ body, ...request }) =>
  channel().fetch({ ...request, body: await collected(body) }),
);

/**
 * Keeps the call open for work that goes on after the answer, such as writing a record of it. A
 * failure of `work` is logged. It has as long as the call itself had.
 */
export function waitUntil(work: Promise<unknown>): void {
  channel().waitUntil(work);
}

/**
 * Takes the WebSocket that `request` asks for. It opens when the handler returns `response`; until
 * then nothing can be sent. A `TypeError` where the request asks for none
 * (`request.headers.get("upgrade") !== "websocket"`), or the function runs in QuickJS.
 */
export function upgradeWebSocket(request: Request, options?: UpgradeOptions): WebSocketUpgrade {
  const upgrade = channel().upgradeWebSocket;
  if (upgrade === undefined)
    throw new TypeError('upgradeWebSocket needs Bun: deploy the function with runtime "bun"');
  return upgrade(request, options);
}

/** The channel takes whole bodies. */
async function collected(body: WireRequest["body"]): Promise<string | Uint8Array | undefined> {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) return body;
  return new Uint8Array(await new Response(body).arrayBuffer());
}

function channel(): FunctionChannel {
  const found = (globalThis as { [CHANNEL]?: FunctionChannel })[CHANNEL];
  if (found !== undefined) return found;
  throw new BunbaseError({
    code: "outside_function",
    status: 0,
    message:
      "bunbase-js/function works only inside a deployed function; " +
      'elsewhere use createClient(url, key) from "bunbase-js"',
  });
}
