// What the tests share: a call whose frame was made by hand, and a request that answers like one from the channel.

import { Call } from "./call.ts";
import { type ByteSink, FrameWriter } from "./frame-writer.ts";
import { headerBlock, RequestHead } from "./head.ts";
import { LazyRequest } from "./lazy-request.ts";
import { BODY_FULL, BODY_NONE } from "./protocol.ts";

export class Taken implements ByteSink {
  bytes: Buffer = Buffer.alloc(0);
  room = Number.POSITIVE_INFINITY;

  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.room);
    this.bytes = Buffer.concat([this.bytes, bytes.subarray(0, taken)]);
    this.room -= taken;
    return taken;
  }
}

export interface CallShape {
  readonly method?: string;
  readonly url?: string;
  readonly handler?: number;
  readonly params?: Record<string, string>;
  readonly headers?: HeadersInit;
  readonly body?: string | Uint8Array;
}

export function requestFrame(shape: CallShape): Buffer {
  const method = shape.method ?? (shape.body === undefined ? "GET" : "POST");
  const url = Buffer.from(shape.url ?? "http://localhost/path?q=1");
  const id = "invocation-1";
  const { count, block } = headerBlock(new Headers(shape.headers));
  const params = Buffer.from(shape.params === undefined ? "" : JSON.stringify(shape.params));
  const head = Buffer.alloc(20);
  head.writeUInt8(shape.body === undefined ? BODY_NONE : BODY_FULL, 0);
  head.writeUInt8(method.length, 1);
  head.writeUInt16LE(id.length, 2);
  head.writeUInt32LE(url.length, 4);
  head.writeUInt16LE(count, 8);
  head.writeUInt32LE(block.length, 10);
  head.writeUInt16LE(shape.handler ?? 0, 14);
  head.writeUInt32LE(params.length, 16);
  const lines = [Buffer.from(method), Buffer.from(id), url, params, Buffer.from(block, "latin1")];
  return Buffer.concat([head, ...lines, Buffer.from(shape.body ?? "")]);
}

export function callOf(shape: CallShape): Call {
  const frame = requestFrame(shape);
  return new Call(1, new RequestHead(frame, 0, frame.length), new FrameWriter());
}

export function requestOf(shape: CallShape): Request {
  return new LazyRequest(callOf(shape)) as unknown as Request;
}
