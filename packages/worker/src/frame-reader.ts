// Cuts the byte stream of the channel into frames. Owns the bytes of unfinished and unhandled frames, nothing else.

import { HEADER_BYTES, MAX_FRAME_BYTES } from "./protocol.ts";

export type FrameHandler = (
  type: number,
  call: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

const NO_BYTES: Buffer = Buffer.alloc(0);

export class FrameReader {
  readonly #handle: FrameHandler;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #neededBytes = 0;
  #bytes: Buffer = NO_BYTES;
  #offset = 0;

  constructor(handle: FrameHandler) {
    this.#handle = handle;
  }

  /** Takes bytes; `drain` hands them on. */
  push(chunk: Buffer): void {
    if (this.#pieceBytes === 0) {
      this.#bytes = chunk;
      return;
    }
    this.#pieces.push(chunk);
    this.#pieceBytes += chunk.length;
    if (this.#pieceBytes < this.#neededBytes) return;
    this.#bytes = Buffer.concat(this.#pieces, this.#pieceBytes);
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  /**
   * Hands on whole frames: all of them (`true`), or those that fit into `sliceMs`. The next `drain` goes on behind
   * the last frame, also where its handler did not return.
   */
  drain(sliceMs: number): boolean {
    const bytes = this.#bytes;
    const end = Bun.nanoseconds() + sliceMs * 1e6;
    while (bytes.length - this.#offset >= HEADER_BYTES) {
      const at = this.#offset;
      const length = readU32(bytes, at);
      if (length > MAX_FRAME_BYTES) throw new Error(`frame of ${length} bytes is over the limit`);
      const start = at + HEADER_BYTES;
      const next = start + length;
      if (next > bytes.length) {
        this.#keep(next - at);
        return true;
      }
      this.#offset = next;
      this.#handle(bytes[at + 4] as number, readU32(bytes, at + 5), bytes, start, next);
      if (Bun.nanoseconds() > end) return false;
    }
    this.#keep(HEADER_BYTES);
    return true;
  }

  /** Keeps the unfinished frame, which has `neededBytes` as far as is known. */
  #keep(neededBytes: number): void {
    if (this.#bytes.length > this.#offset) {
      this.#pieces.push(this.#bytes.subarray(this.#offset));
      this.#pieceBytes = this.#bytes.length - this.#offset;
      this.#neededBytes = neededBytes;
    }
    this.#bytes = NO_BYTES;
    this.#offset = 0;
  }
}

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function readU32(bytes: Uint8Array, at: number): number {
  const low =
    (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return (low | ((bytes[at + 3] as number) << 24)) >>> 0;
}
