// Calls from the function to the services of the server, over the worker's own channel. The SDK builds its
// client on `globalThis[Symbol.for("bunbase.channel")]`.

import type { FrameWriter } from "./frame-writer.ts";
import { portCallHead, readResponse } from "./head.ts";
import { scopes } from "./log.ts";
import { MAX_FRAME_BYTES, PORT_CALL } from "./protocol.ts";

export const CHANNEL = Symbol.for("bunbase.channel");

/** A call in the shape of HTTP; the path starts with `/`. */
export interface ChannelRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: HeadersInit;
  readonly body?: string | Uint8Array | null;
}

export interface Channel {
  fetch(request: Request | ChannelRequest): Promise<Response>;
  waitUntil(work: unknown): void;
  upgradeWebSocket(request: unknown, options?: { protocol?: string }): Upgraded;
}

/** A WebSocket, and the answer that opens it. */
export interface Upgraded {
  readonly socket: EventTarget;
  readonly response: Response;
}

/** Keeps the call in whose course this is called until `work` is settled. */
export function waitUntil(work: unknown): void {
  const call = scopes.getStore();
  if (call === undefined) throw new TypeError("waitUntil works only in the course of a call");
  call.waitUntil(work);
}

/** Takes the WebSocket that the request of the call in whose course this is called asks for. */
export function upgradeWebSocket(_request: unknown, options?: { protocol?: string }): Upgraded {
  const call = scopes.getStore();
  if (call === undefined)
    throw new TypeError("upgradeWebSocket works only in the course of a call");
  const protocol = options?.protocol;
  const socket = call.upgrade(protocol);
  const headers = new Headers(protocol === undefined ? {} : { "sec-websocket-protocol": protocol });
  return { socket, response: new Response(null, { status: 101, headers }) };
}

const IN_FLIGHT_MAX = 256;
const HEAD_BYTES_MAX = 512 * 1024;
const BODY_BYTES_MAX = MAX_FRAME_BYTES - HEAD_BYTES_MAX;

export class PortChannel {
  readonly #writer: FrameWriter;
  readonly #calls = new Map<number, Waiting>();
  readonly #queue: (() => void)[] = [];
  #next = 1;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  async fetch(request: Request | ChannelRequest): Promise<Response> {
    const call = await plain(request);
    if (call.body.length > BODY_BYTES_MAX)
      throw new RangeError(`the body is over ${BODY_BYTES_MAX} bytes`);
    const scope = scopes.getStore();
    const head = portCallHead({ ...call, invocationId: scope?.invocationId ?? "" });
    if (head.length > HEAD_BYTES_MAX)
      throw new RangeError(`the head is over ${HEAD_BYTES_MAX} bytes`);
    if (this.#calls.size >= IN_FLIGHT_MAX)
      await new Promise<void>((turn) => this.#queue.push(turn));
    const id = this.#next;
    this.#next = (id + 1) >>> 0 || 1;
    return new Promise<Response>((resolve) => {
      this.#calls.set(id, { resolve, call: scope?.id ?? 0 });
      this.#writer.frame(PORT_CALL, id, head, call.body);
    });
  }

  /** The call that waits for a reply. */
  callOf(id: number): number {
    return this.#calls.get(id)?.call ?? 0;
  }

  reply(id: number, bytes: Buffer, start: number, end: number): void {
    const waiting = this.#calls.get(id);
    if (waiting === undefined) return;
    this.#calls.delete(id);
    this.#queue.shift()?.();
    const { status, headers, body } = readResponse(bytes, start, end);
    waiting.resolve(
      new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers }),
    );
  }
}

interface Waiting {
  resolve(reply: Response): void;
  /** The call in whose course it was made; 0 outside of calls. */
  readonly call: number;
}

interface PlainCall {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

async function plain(request: Request | ChannelRequest): Promise<PlainCall> {
  if (request instanceof Request) {
    const { pathname, search } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    return { method: request.method, path: pathname + search, headers: request.headers, body };
  }
  const { method = "GET", path, headers, body } = request;
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : (body ?? new Uint8Array());
  return { method, path, headers: new Headers(headers), body: bytes };
}
