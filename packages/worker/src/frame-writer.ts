// Collects outgoing frames and gives them to the socket in as few writes as possible. Owns the bytes that the
// socket has not taken yet. Streams are held back by credit, logs by their budget, so the buffer stays bounded.

import { FULL_BODY_BYTES_MAX, HEADER_BYTES, RESPONSE } from "./protocol.ts";

/** The part of a Bun socket that is needed: takes as many bytes as fit and says how many. */
export interface ByteSink {
  write(bytes: Uint8Array): number;
}

const INITIAL_BYTES = 256 * 1024;
const SHRINK_ABOVE_BYTES = 4 * 1024 * 1024;
const RESPONSE_HEAD_BYTES = 8;

export class FrameWriter {
  #sink: ByteSink | undefined;
  #buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #start = 0;
  #end = 0;
  #held = false;
  #scheduled = false;
  #blocked = false;
  readonly #scheduledFlush = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  attach(sink: ByteSink): void {
    this.#sink = sink;
    this.flush();
  }

  /** Bytes that the socket has not taken. */
  get waitingBytes(): number {
    return this.#end - this.#start;
  }

  /** Until `release`, frames are collected without a flush of their own: one read, one write. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.flush();
  }

  drained(): void {
    this.#blocked = false;
    this.flush();
  }

  frame(type: number, call: number, ...parts: Uint8Array[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    let at = this.#header(type, call, length);
    for (const part of parts) {
      this.#buffer.set(part, at);
      at += part.length;
    }
    this.#written(at);
  }

  /** A whole response whose header block is ready. `false` where the body is too large for one frame. */
  response(
    call: number,
    status: number,
    headerCount: number,
    block: string,
    body: string | Uint8Array,
  ): boolean {
    // A UTF-16 unit is at most 3 bytes of UTF-8.
    const bodyBytesMax = typeof body === "string" ? body.length * 3 : body.length;
    if (bodyBytesMax > FULL_BODY_BYTES_MAX) return false;
    const blockBytes = block.length;
    const frameStart = this.#reserve(
      HEADER_BYTES + RESPONSE_HEAD_BYTES + blockBytes + bodyBytesMax,
    );
    const buffer = this.#buffer;
    let at = frameStart + HEADER_BYTES;
    buffer[at] = status;
    buffer[at + 1] = status >>> 8;
    buffer[at + 2] = headerCount;
    buffer[at + 3] = headerCount >>> 8;
    putU32(buffer, at + 4, blockBytes);
    at += RESPONSE_HEAD_BYTES;
    if (blockBytes > 0) at += buffer.latin1Write(block, at, blockBytes);
    if (typeof body === "string") {
      if (bodyBytesMax > 0) at += buffer.utf8Write(body, at, bodyBytesMax);
    } else {
      buffer.set(body, at);
      at += body.length;
    }
    putU32(buffer, frameStart, at - frameStart - HEADER_BYTES);
    buffer[frameStart + 4] = RESPONSE;
    putU32(buffer, frameStart + 5, call);
    this.#written(at);
    return true;
  }

  flush(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#blocked || this.#end === this.#start) return;
    const taken = sink.write(this.#buffer.subarray(this.#start, this.#end));
    if (taken < 0) {
      this.#start = this.#end = 0;
      return;
    }
    this.#start += taken;
    if (this.#start === this.#end) this.#reset();
    else this.#blocked = true;
  }

  #reset(): void {
    this.#start = this.#end = 0;
    if (this.#buffer.length > SHRINK_ABOVE_BYTES)
      this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  #header(type: number, call: number, length: number): number {
    const at = this.#reserve(HEADER_BYTES + length);
    putU32(this.#buffer, at, length);
    this.#buffer[at + 4] = type;
    putU32(this.#buffer, at + 5, call);
    return at + HEADER_BYTES;
  }

  #written(end: number): void {
    this.#end = end;
    if (this.#held || this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    queueMicrotask(this.#scheduledFlush);
  }

  /** Makes room for `bytes` behind what waits; returns where. */
  #reserve(bytes: number): number {
    if (this.#end + bytes <= this.#buffer.length) return this.#end;
    const waiting = this.#buffer.subarray(this.#start, this.#end);
    const needed = waiting.length + bytes;
    const room =
      needed <= this.#buffer.length
        ? this.#buffer.length
        : Math.max(needed, this.#buffer.length * 2);
    const grown = Buffer.allocUnsafeSlow(room);
    grown.set(waiting, 0);
    this.#buffer = grown;
    this.#start = 0;
    this.#end = waiting.length;
    return this.#end;
  }
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
