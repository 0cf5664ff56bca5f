// Cuts the byte stream of the channel into frames. Owns the bytes of an unfinished frame, nothing else.

import { HEADER_BYTES, MAX_FRAME_BYTES } from "./protocol.ts";

export type FrameHandler = (
  type: number,
  call: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

export class FrameReader {
  readonly #handle: FrameHandler;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #neededBytes = 0;

  constructor(handle: FrameHandler) {
    this.#handle = handle;
  }

  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#pieceBytes > 0) {
      this.#pieces.push(chunk);
      this.#pieceBytes += chunk.length;
      if (this.#pieceBytes < this.#neededBytes) return;
      bytes = Buffer.concat(this.#pieces, this.#pieceBytes);
      this.#pieces = [];
      this.#pieceBytes = 0;
    }
    this.#keep(bytes, this.#cut(bytes));
  }

  /** Hands on all whole frames; returns where the unfinished one starts. */
  #cut(bytes: Buffer): number {
    let offset = 0;
    while (bytes.length - offset >= HEADER_BYTES) {
      const length = readU32(bytes, offset);
      if (length > MAX_FRAME_BYTES) throw new Error(`frame of ${length} bytes is over the limit`);
      const start = offset + HEADER_BYTES;
      const end = start + length;
      if (end > bytes.length) {
        this.#neededBytes = end - offset;
        return offset;
      }
      this.#handle(bytes[offset + 4] as number, readU32(bytes, offset + 5), bytes, start, end);
      offset = end;
    }
    this.#neededBytes = HEADER_BYTES;
    return offset;
  }

  #keep(bytes: Buffer, offset: number): void {
    if (offset === bytes.length) return;
    this.#pieces.push(bytes.subarray(offset));
    this.#pieceBytes = bytes.length - offset;
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
