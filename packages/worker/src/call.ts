// One call inside the worker: its request, its signal, its streams. Made per call, so it does nothing until asked.

import { type Download, Upload } from "./body-streams.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { RequestHead } from "./head.ts";
import type { RequestSource } from "./lazy-request.ts";
import type { CallScope } from "./log.ts";
import {
  BACKGROUND,
  BACKGROUND_END,
  BODY_STREAM,
  CANCEL_BODY_BROKEN,
  CANCEL_DEADLINE,
} from "./protocol.ts";

export class Call implements RequestSource, CallScope {
  readonly id: number;
  readonly head: RequestHead;
  readonly upload: Upload | undefined;
  download: Download | undefined;
  /** It has its answer. */
  over = false;
  readonly #writer: FrameWriter;
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  /** Promises given to `waitUntil` that are not settled. */
  #working = 0;
  #told = false;
  #whenDone: (() => void) | undefined;

  constructor(id: number, head: RequestHead, writer: FrameWriter) {
    this.id = id;
    this.head = head;
    this.#writer = writer;
    this.upload = head.bodyKind === BODY_STREAM ? new Upload(id, writer) : undefined;
  }

  /** It has its answer, and work that goes on. */
  get isWorking(): boolean {
    return this.over && this.#working > 0;
  }

  get invocationId(): string {
    return this.head.invocationId;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  bodyStream(): ReadableStream<Uint8Array> {
    if (this.upload === undefined) throw new TypeError("the call has no streamed body");
    return this.upload.stream;
  }

  cancel(kind: number): void {
    const reason = cancelReason(kind);
    this.upload?.fail(reason);
    if (kind === CANCEL_BODY_BROKEN) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.download?.cancel(reason);
  }

  /** Keeps the call, and with it the worker, until `work` is settled or the deadline passes. */
  waitUntil(work: unknown): void {
    if (this.over && this.#working === 0) throw new TypeError("waitUntil: the call is over");
    this.#working += 1;
    if (!this.#told) {
      this.#told = true;
      this.#writer.frame(BACKGROUND, this.id);
    }
    const settled = (): void => {
      this.#working -= 1;
      if (this.#working === 0 && this.over) this.#done();
    };
    Promise.resolve(work).then(settled, (error: unknown) => {
      console.error("waitUntil: the work failed:", error);
      settled();
    });
  }

  /** It has its answer; `whenDone` is called when nothing of it is left. */
  finish(whenDone: () => void): void {
    this.over = true;
    this.upload?.fail(new Error("the call is over"));
    if (!this.#told) {
      whenDone();
      return;
    }
    this.#whenDone = whenDone;
    if (this.#working === 0) this.#done();
  }

  #done(): void {
    this.#writer.frame(BACKGROUND_END, this.id);
    this.#whenDone?.();
  }
}

function cancelReason(kind: number): Error {
  if (kind === CANCEL_DEADLINE)
    return new DOMException("The deadline of the call has passed", "TimeoutError");
  if (kind === CANCEL_BODY_BROKEN) return new Error("the request body ended early");
  return new DOMException("The caller has gone away", "AbortError");
}
