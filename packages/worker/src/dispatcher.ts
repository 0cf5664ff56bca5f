// Runs the handler for each call and sends what it answers. Owns the calls that are not over.

import { Download } from "./body-streams.ts";
import { Call } from "./call.ts";
import { HandlerContext } from "./context.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { headerBlock, RequestHead, responseHead } from "./head.ts";
import { LazyRequest } from "./lazy-request.ts";
import { LightResponse, NativeResponse } from "./light-response.ts";
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

export type Handler = (request: Request, context: HandlerContext) => unknown;

const { status } = Bun.peek;
const ERROR_TEXT_MAX = 8 * 1024;
const NULL_BODY_STATUS = new Set([101, 204, 205, 304]);

export class Dispatcher {
  readonly #writer: FrameWriter;
  readonly #begun: Uint32Array;
  readonly #waiting = new Map<number, Call>();
  #batch: Call[] = [];
  #handler: Handler = () => undefined;

  constructor(writer: FrameWriter, begun: Uint32Array) {
    this.#writer = writer;
    this.#begun = begun;
  }

  serve(handler: Handler): void {
    this.#handler = handler;
  }

  /** Enters the handler; `true` where the call is over already, and nothing of it waits. */
  begin(id: number, bytes: Buffer, start: number, end: number): boolean {
    this.#begun[0] = id;
    const call = new Call(id, new RequestHead(bytes, start, end), this.#writer);
    this.#batch.push(call);
    try {
      const request = new LazyRequest(call) as unknown as Request;
      const result = scopes.run(call, this.#handler, request, new HandlerContext(call));
      if (!(result instanceof Promise)) {
        this.#settle(call, result);
      } else if (status(result) === "fulfilled") {
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
    const parts = LightResponse.parts(response);
    if (parts === undefined) {
      this.#answerNative(call, LightResponse.native(response, "body"));
      return;
    }
    const body = NULL_BODY_STATUS.has(parts.status) ? "" : parts.body;
    if (this.#writer.response(call.id, parts.status, parts.count, parts.block, body)) {
      this.#over(call);
      return;
    }
    const head = responseHead(parts.status, parts);
    this.#stream(
      call,
      head,
      new NativeResponse(body as BodyInit).body as ReadableStream<Uint8Array>,
    );
  }

  #answerNative(call: Call, response: Response): void {
    if (response.bodyUsed) throw new TypeError("the body of the response was already used");
    const headers = headerBlock(response.headers);
    const body = NULL_BODY_STATUS.has(response.status) ? null : response.body;
    if (body === null) {
      this.#writer.response(call.id, response.status, headers.count, headers.block, "");
      this.#over(call);
      return;
    }
    this.#stream(call, responseHead(response.status, headers), body);
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
