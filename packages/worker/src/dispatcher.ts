// Runs the handler for each call and sends what it answers. Owns the calls that are not over.

import { Download } from "./body-streams.ts";
import { Call } from "./call.ts";
import { HandlerContext } from "./context.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { type HeaderBlock, headerBlock, RequestHead, readHeaders, responseHead } from "./head.ts";
import { LazyRequest } from "./lazy-request.ts";
import { type LightParts, LightResponse, NativeResponse } from "./light-response.ts";
import { scopes } from "./log.ts";
import {
  CANCEL_DEADLINE,
  ERROR_BODY_BROKEN,
  ERROR_HANDLER,
  ERROR_NO_RESPONSE,
  ERROR_STOPPED,
  RESPONSE_END,
  RESPONSE_ERROR,
  RESPONSE_HEAD,
} from "./protocol.ts";
import { defaultType, isInMemory } from "./response-body.ts";

export type Handler = (request: Request, context: HandlerContext) => unknown;

const { status: peeked } = Bun.peek;
const ERROR_TEXT_MAX = 8 * 1024;
const NULL_BODY_STATUS = new Set([101, 204, 205, 304]);

export class Dispatcher {
  readonly #writer: FrameWriter;
  readonly #begun: Uint32Array;
  readonly #waiting = new Map<number, Call>();
  #batch: Call[] = [];
  #handlers: readonly Handler[] = [];

  constructor(writer: FrameWriter, begun: Uint32Array) {
    this.#writer = writer;
    this.#begun = begun;
  }

  serve(handlers: readonly Handler[]): void {
    this.#handlers = handlers;
  }

  /** Enters the handler; `true` where the call is over already, and nothing of it waits. */
  begin(id: number, bytes: Buffer, start: number, end: number): boolean {
    this.#begun[0] = id;
    const call = new Call(id, new RequestHead(bytes, start, end), this.#writer);
    this.#batch.push(call);
    try {
      const request = new LazyRequest(call) as unknown as Request;
      const handler = this.#handlers[call.head.handler] as Handler;
      const result = scopes.run(call, handler, request, new HandlerContext(call));
      if (!(result instanceof Promise)) {
        this.#settle(call, result);
      } else if (peeked(result) === "fulfilled") {
        // An async handler that awaited nothing: its answer need not take a turn of the queue.
        this.#answer(call, Bun.peek(result));
      } else {
        result.then(
          (value) => this.#answer(call, value),
          (error: unknown) => this.#fail(call, ERROR_HANDLER, error),
        );
      }
    } catch (error) {
      this.#fail(call, ERROR_HANDLER, error);
    }
    return call.over;
  }

  /** After the microtasks of a batch: most calls are over by now and were never registered. */
  endBatch(): void {
    for (const call of this.#batch) {
      if (!call.over) this.#waiting.set(call.id, call);
    }
    this.#batch = [];
  }

  /** The code of this call was stopped: it will not answer by itself. */
  stop(id: number): void {
    const call = this.find(id);
    if (call === undefined) return;
    const reason = new Error(
      "stopped: it computed without a pause for longer than a call may take",
    );
    call.cancel(CANCEL_DEADLINE);
    this.#fail(call, ERROR_STOPPED, reason);
  }

  find(id: number): Call | undefined {
    return this.#waiting.get(id) ?? this.#batch.find((call) => call.id === id && !call.over);
  }

  /** A result that is no promise of ours: a response, a thenable, or a mistake. */
  #settle(call: Call, result: unknown): void {
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") {
      this.#answer(call, result);
      return;
    }
    Promise.resolve(result as PromiseLike<unknown>).then(
      (value) => this.#answer(call, value),
      (error: unknown) => this.#fail(call, ERROR_HANDLER, error),
    );
  }

  #answer(call: Call, result: unknown): void {
    try {
      if (LightResponse.is(result)) this.#answerLight(call, result);
      else if (result instanceof NativeResponse) this.#answerNative(call, result);
      else
        this.#fail(
          call,
          ERROR_NO_RESPONSE,
          new TypeError(`the handler returned ${named(result)}, not a Response`),
        );
    } catch (error) {
      this.#fail(call, ERROR_HANDLER, error);
    }
  }

  #answerLight(call: Call, response: LightResponse): void {
    LightResponse.send(response);
    const parts = LightResponse.parts(response);
    if (parts === undefined) this.#answerNative(call, LightResponse.native(response));
    else if (NULL_BODY_STATUS.has(parts.status)) this.#whole(call, { ...parts, body: "" });
    else this.#whole(call, parts);
  }

  #answerNative(call: Call, response: Response): void {
    if (response.bodyUsed) throw new TypeError("the body of the response was already used");
    const { status } = response;
    const headers = headerBlock(response.headers);
    if (!NULL_BODY_STATUS.has(status)) {
      if (isInMemory(response)) {
        this.#answerMemory(call, response, headers);
        return;
      }
      const { body } = response;
      if (body !== null) {
        this.#stream(call, responseHead(status, streamHeaders(response)), body);
        return;
      }
    }
    this.#whole(call, { status, ...headers, body: "" });
  }

  /** A native response that is in memory: its length is known, and it can be sent in one piece. */
  #answerMemory(call: Call, response: Response, headers: HeaderBlock): void {
    const { status } = response;
    const typed = response.headers.has("content-type");
    const send = (body: Uint8Array): void => {
      if (call.over) return;
      const type = typed || body.length === 0 ? "" : defaultType(response, body).block;
      const count = headers.count + (type === "" ? 0 : 1);
      this.#whole(call, { status, count, block: headers.block + type, body });
    };
    const bytes = response.bytes();
    if (peeked(bytes) === "fulfilled") send(Bun.peek(bytes) as Uint8Array);
    else bytes.then(send, (error: unknown) => this.#fail(call, ERROR_BODY_BROKEN, error));
  }

  /** An answer that lies here whole: in one frame, or as a stream of a known length. */
  #whole(call: Call, parts: LightParts): void {
    const { status, count, block, body } = parts;
    if (this.#writer.response(call.id, status, count, block, body)) {
      this.#over(call);
      return;
    }
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const headers = readHeaders(Buffer.from(block, "latin1"), 0, block.length);
    headers.set("content-length", String(bytes.length));
    const stream = new NativeResponse(bytes as BodyInit).body as ReadableStream<Uint8Array>;
    this.#stream(call, responseHead(status, headerBlock(headers)), stream);
  }

  #stream(call: Call, head: Buffer, body: ReadableStream<Uint8Array>): void {
    const download = new Download(call.id, this.#writer, body);
    call.download = download;
    this.#writer.frame(RESPONSE_HEAD, call.id, head);
    download.run().then(
      () => {
        this.#writer.frame(RESPONSE_END, call.id);
        this.#over(call);
      },
      (error: unknown) => this.#fail(call, ERROR_BODY_BROKEN, error),
    );
  }

  #fail(call: Call, kind: number, error: unknown): void {
    if (call.over) return;
    const text = JSON.stringify(describe(error));
    this.#writer.frame(RESPONSE_ERROR, call.id, Uint8Array.of(kind), Buffer.from(text));
    this.#over(call);
  }

  #over(call: Call): void {
    call.finish(() => this.#waiting.delete(call.id));
    if (call.isWorking) this.#waiting.set(call.id, call);
  }
}

/** What `fetch` gave may have been decompressed: then its body is not as long as its headers say. */
function streamHeaders({ headers }: Response): HeaderBlock {
  if (!headers.has("content-encoding") || !headers.has("content-length"))
    return headerBlock(headers);
  const sent = new Headers(headers);
  sent.delete("content-length");
  return headerBlock(sent);
}

export interface ErrorText {
  readonly message: string;
  readonly stack: string;
}

/** Name, message and stack of anything that was thrown. */
export function describe(error: unknown): ErrorText {
  try {
    if (error instanceof Error) {
      const message = `${error.name}: ${error.message}`.slice(0, ERROR_TEXT_MAX);
      const stack = error.stack ?? "";
      const cause = error.cause === undefined ? "" : `\ncaused by ${describe(error.cause).stack}`;
      const full = stack.startsWith(error.name) ? stack : `${message}\n${stack}`;
      return { message, stack: `${full}${cause}`.slice(0, ERROR_TEXT_MAX) };
    }
    const message = `thrown: ${Bun.inspect(error)}`.slice(0, ERROR_TEXT_MAX);
    return { message, stack: message };
  } catch {
    return { message: "an error that cannot be described", stack: "" };
  }
}

function named(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value).slice(0, 100);
  return `an object of ${value.constructor?.name ?? "no class"}`;
}
