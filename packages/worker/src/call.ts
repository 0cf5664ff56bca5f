// One call inside the worker: its request, its signal, its streams. Made per call, so it does nothing until asked.

import { type Download, Upload } from "./body-streams.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { RequestHead } from "./head.ts";
import type { RequestSource } from "./lazy-request.ts";
import { type CallScope, scopes } from "./log.ts";
import {
  BACKGROUND,
  BACKGROUND_END,
  BODY_SOCKET,
  BODY_STREAM,
  CANCEL_BODY_BROKEN,
  CANCEL_DEADLINE,
} from "./protocol.ts";
import { FunctionSocket } from "./socket.ts";

export class Call implements RequestSource, CallScope {
  readonly id: number;
  readonly head: RequestHead;
  readonly upload: Upload | undefined;
  download: Download | undefined;
  #socket: FunctionSocket | undefined;
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
    const { bodyKind } = head;
    const streams = bodyKind === BODY_STREAM || bodyKind === BODY_SOCKET;
    this.upload = streams ? new Upload(id, writer) : undefined;
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
    this.#abort(reason);
    this.download?.cancel(reason);
  }

  #abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  /** Takes the request's WebSocket. It opens when the call is answered with status 101. */
  upgrade(protocol: string | undefined): FunctionSocket {
    if (this.head.bodyKind !== BODY_SOCKET)
      throw new TypeError("upgradeWebSocket: the request is no upgrade to a WebSocket");
    if (this.#socket !== undefined || this.over)
      throw new TypeError("upgradeWebSocket: the request was answered or upgraded before");
    const headers = this.head.headers();
    const offered = (headers.get("sec-websocket-protocol") ?? "").split(",");
    if (protocol !== undefined && !offered.some((name) => name.trim() === protocol))
      throw new TypeError(`upgradeWebSocket: the client does not offer the protocol ${protocol}`);
    const url = this.head.url.replace(/^http/, "ws");
    this.#socket = new FunctionSocket(url, protocol ?? "", () => this.#abort(cancelReason(0)));
    return this.#socket;
  }

  /** Opens the WebSocket that was taken; what it sends. */
  connect(): ReadableStream<Uint8Array> | undefined {
    const [socket, upload] = [this.#socket, this.upload];
    if (socket === undefined || upload === undefined) return undefined;
    scopes.run(this, () => void socket.run(upload.stream));
    return socket.outgoing;
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
