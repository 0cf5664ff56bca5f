// Streamed bodies with flow control. A request body holds at most one window of bytes that the handler has not
// read; a response body sends no more than the server has granted.

import type { FrameWriter } from "./frame-writer.ts";
import { putU32 } from "./frame-writer.ts";
import {
  CHUNK_BYTES_MAX,
  REQUEST_CREDIT,
  RESPONSE_CHUNK,
  STREAM_WINDOW_BYTES,
} from "./protocol.ts";

/** A request body that arrives in chunks. */
export class Upload {
  readonly #call: number;
  readonly #writer: FrameWriter;
  readonly stream: ReadableStream<Uint8Array>;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(call: number, writer: FrameWriter) {
    this.#call = call;
    this.#writer = writer;
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => this.#discard(),
      },
      { highWaterMark: 0 },
    );
    this.#grant(STREAM_WINDOW_BYTES);
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    // The bytes of the read would otherwise be kept alive by a small piece of them.
    this.#chunks.push(new Uint8Array(chunk));
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  fail(failure: Error): void {
    if (this.#ended && this.#chunks.length === 0) return;
    this.#failure = failure;
    this.#chunks = [];
    this.#wake?.();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#chunks.length === 0 && !this.#ended && this.#failure === undefined) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
      this.#wake = undefined;
    }
    if (this.#failure !== undefined) throw this.#failure;
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return controller.close();
    controller.enqueue(chunk);
    this.#grant(chunk.length);
  }

  #discard(): void {
    this.#chunks = [];
    this.#ended = true;
  }

  #grant(bytes: number): void {
    const credit = new Uint8Array(4);
    putU32(credit, 0, bytes);
    this.#writer.frame(REQUEST_CREDIT, this.#call, credit);
  }
}

/** A response body that is sent in chunks. */
export class Download {
  readonly #call: number;
  readonly #writer: FrameWriter;
  readonly #reader: ReadableStreamDefaultReader<unknown>;
  #creditBytes = STREAM_WINDOW_BYTES;
  #cancelled = false;
  #wake: (() => void) | undefined;

  constructor(call: number, writer: FrameWriter, body: ReadableStream<unknown>) {
    this.#call = call;
    this.#writer = writer;
    this.#reader = body.getReader();
  }

  credit(bytes: number): void {
    this.#creditBytes += bytes;
    this.#wake?.();
  }

  cancel(reason: unknown): void {
    this.#cancelled = true;
    this.#wake?.();
    this.#reader.cancel(reason).catch(() => undefined);
  }

  /** Sends all of it. Throws what the stream throws. */
  async run(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done || this.#cancelled) return;
      await this.#send(chunkBytes(value));
      if (this.#cancelled) return;
    }
  }

  async #send(chunk: Uint8Array): Promise<void> {
    let at = 0;
    while (at < chunk.length) {
      while (this.#creditBytes === 0) {
        if (this.#cancelled) return;
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
        this.#wake = undefined;
      }
      const size = Math.min(chunk.length - at, this.#creditBytes, CHUNK_BYTES_MAX);
      this.#writer.frame(RESPONSE_CHUNK, this.#call, chunk.subarray(at, at + size));
      this.#creditBytes -= size;
      at += size;
    }
  }
}

/** As `Bun.serve` takes them: text and every kind of buffer. */
function chunkBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === "string") return Buffer.from(chunk, "utf8");
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError("a chunk of the body is neither text nor bytes");
}
