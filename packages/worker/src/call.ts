// One call inside the worker: its request, its signal, its streams. Made per call, so it does nothing until asked.

import { type Download, Upload } from "./body-streams.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { RequestHead } from "./head.ts";
import type { RequestSource } from "./lazy-request.ts";
import type { LogScope } from "./log.ts";
import { BODY_STREAM, CANCEL_BODY_BROKEN, CANCEL_DEADLINE } from "./protocol.ts";

export class Call implements RequestSource, LogScope {
  readonly id: number;
  readonly head: RequestHead;
  readonly upload: Upload | undefined;
  download: Download | undefined;
  over = false;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor(id: number, head: RequestHead, writer: FrameWriter) {
    this.id = id;
    this.head = head;
    this.upload = head.bodyKind === BODY_STREAM ? new Upload(id, writer) : undefined;
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

  finish(): void {
    this.over = true;
    this.upload?.fail(new Error("the call is over"));
  }
}

function cancelReason(kind: number): Error {
  if (kind === CANCEL_DEADLINE)
    return new DOMException("The deadline of the call has passed", "TimeoutError");
  if (kind === CANCEL_BODY_BROKEN) return new Error("the request body ended early");
  return new DOMException("The caller has gone away", "AbortError");
}
