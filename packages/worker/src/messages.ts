// Messages of a WebSocket inside the bodies of its call: the layout of ../PROTOCOL.md. The same is in
// crates/functions/src/front/messages.rs.

import { readU16, readU32 } from "./frame-reader.ts";
import { putU32 } from "./frame-writer.ts";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 3;

export const HEAD_BYTES = 5;

export interface SocketMessage {
  readonly kind: number;
  readonly payload: Buffer<ArrayBuffer>;
}

/** Copies the payload: whoever sent it may change it. */
export function encodeMessage(kind: number, payload: Uint8Array | string): Uint8Array {
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + length);
  bytes[0] = kind;
  putU32(bytes, 1, length);
  if (typeof payload === "string") bytes.utf8Write(payload, HEAD_BYTES);
  else bytes.set(payload, HEAD_BYTES);
  return bytes;
}

export function encodeClose(code: number | undefined, reason: string): Uint8Array {
  if (code === undefined) return encodeMessage(CLOSE, "");
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16LE(code);
  payload.utf8Write(reason, 2);
  return encodeMessage(CLOSE, payload);
}

export function decodeClose(payload: Buffer): { code: number; reason: string } {
  if (payload.length < 2) return { code: NO_CODE, reason: "" };
  return { code: readU16(payload, 0), reason: payload.utf8Slice(2, payload.length) };
}

/** No code was given (RFC 6455 §7.4.1). */
const NO_CODE = 1005;

/** Makes messages of a stream of bytes, however that is cut. */
export class MessageDecoder {
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  #payload: Buffer<ArrayBuffer> | undefined;
  #payloadBytes = 0;

  *push(chunk: Uint8Array): Generator<SocketMessage> {
    let at = 0;
    while (at < chunk.length || this.#payload !== undefined) {
      if (this.#payload === undefined) {
        const taken = chunk.subarray(at, at + HEAD_BYTES - this.#headBytes);
        this.#head.set(taken, this.#headBytes);
        this.#headBytes += taken.length;
        at += taken.length;
        if (this.#headBytes < HEAD_BYTES) return;
        this.#payload = Buffer.alloc(readU32(this.#head, 1));
        this.#payloadBytes = 0;
      }
      const payload = this.#payload;
      const taken = chunk.subarray(at, at + payload.length - this.#payloadBytes);
      payload.set(taken, this.#payloadBytes);
      this.#payloadBytes += taken.length;
      at += taken.length;
      if (this.#payloadBytes < payload.length) return;
      this.#payload = undefined;
      this.#headBytes = 0;
      yield { kind: this.#head[0] as number, payload };
    }
  }
}
