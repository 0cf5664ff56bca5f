// Heads of requests and responses as bytes: the layouts of PROTOCOL.md, in both directions.

import { readU16, readU32 } from "./frame-reader.ts";

const REQUEST_HEAD_BYTES = 20;
const RESPONSE_HEAD_BYTES = 8;

/** Where the parts of a `REQUEST` frame are; nothing is decoded until it is asked for. */
export class RequestHead {
  readonly #bytes: Buffer;
  readonly #methodAt: number;
  readonly #idAt: number;
  readonly #urlAt: number;
  readonly #paramsAt: number;
  readonly #headersAt: number;
  /** Place in the handlers of the `LOAD` frame. */
  readonly handler: number;
  readonly bodyKind: number;
  readonly bodyAt: number;
  readonly end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.bodyKind = bytes[start] as number;
    this.#methodAt = start + REQUEST_HEAD_BYTES;
    this.#idAt = this.#methodAt + (bytes[start + 1] as number);
    this.#urlAt = this.#idAt + readU16(bytes, start + 2);
    this.#paramsAt = this.#urlAt + readU32(bytes, start + 4);
    this.#headersAt = this.#paramsAt + readU32(bytes, start + 16);
    this.handler = readU16(bytes, start + 14);
    this.bodyAt = this.#headersAt + readU32(bytes, start + 10);
    this.end = end;
  }

  get method(): string {
    return this.#bytes.latin1Slice(this.#methodAt, this.#idAt);
  }

  get invocationId(): string {
    return this.#bytes.latin1Slice(this.#idAt, this.#urlAt);
  }

  get url(): string {
    return this.#bytes.utf8Slice(this.#urlAt, this.#paramsAt);
  }

  /** Parameters of the path, by their names. */
  params(): Record<string, string> {
    const text = this.#bytes.utf8Slice(this.#paramsAt, this.#headersAt);
    return text === "" ? {} : (JSON.parse(text) as Record<string, string>);
  }

  /** One header by its name in lower case, without making the others. */
  header(name: string): string | undefined {
    const bytes = this.#bytes;
    let at = this.#headersAt;
    while (at < this.bodyAt) {
      const nameAt = at + 6;
      const valueAt = nameAt + readU16(bytes, at);
      const next = valueAt + readU32(bytes, at + 2);
      if (valueAt - nameAt === name.length && bytes.latin1Slice(nameAt, valueAt) === name)
        return bytes.latin1Slice(valueAt, next);
      at = next;
    }
    return undefined;
  }

  headers(): Headers {
    const headers = readHeaders(this.#bytes, this.#headersAt, this.bodyAt);
    headers.set("x-invocation-id", this.invocationId);
    return headers;
  }

  /** The whole body, still in the bytes of the frame. */
  body(): Buffer {
    return this.#bytes.subarray(this.bodyAt, this.end);
  }
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export function readResponse(bytes: Buffer, start: number, end: number): ResponseHead {
  const headersAt = start + RESPONSE_HEAD_BYTES;
  const bodyAt = headersAt + readU32(bytes, start + 4);
  return {
    status: readU16(bytes, start),
    headers: readHeaders(bytes, headersAt, bodyAt),
    body: bytes.subarray(bodyAt, end),
  };
}

export function readHeaders(bytes: Buffer, start: number, end: number): Headers {
  const headers = new Headers();
  let at = start;
  while (at < end) {
    const nameAt = at + 6;
    const valueAt = nameAt + readU16(bytes, at);
    const next = valueAt + readU32(bytes, at + 2);
    headers.append(bytes.latin1Slice(nameAt, valueAt), bytes.latin1Slice(valueAt, next));
    at = next;
  }
  return headers;
}

/** A header block as a Latin-1 string: one character per byte. */
export function headerEntry(name: string, value: string): string {
  const nameBytes = name.length;
  const valueBytes = value.length;
  return (
    String.fromCharCode(
      nameBytes & 0xff,
      nameBytes >>> 8,
      valueBytes & 0xff,
      (valueBytes >>> 8) & 0xff,
      (valueBytes >>> 16) & 0xff,
      valueBytes >>> 24,
    ) +
    name +
    value
  );
}

export interface HeaderBlock {
  readonly count: number;
  readonly block: string;
}

export function headerBlock(headers: Headers): HeaderBlock {
  let block = "";
  let count = 0;
  for (const [name, value] of headers) {
    block += headerEntry(name, value);
    count += 1;
  }
  return { count, block };
}

/** u16 status, u16 count, u32 length and the header block. */
export function responseHead(status: number, headers: HeaderBlock): Buffer {
  const head = Buffer.allocUnsafe(RESPONSE_HEAD_BYTES + headers.block.length);
  head.writeUInt16LE(status, 0);
  head.writeUInt16LE(headers.count, 2);
  head.writeUInt32LE(headers.block.length, 4);
  head.latin1Write(headers.block, RESPONSE_HEAD_BYTES);
  return head;
}

export interface PortHead {
  readonly method: string;
  readonly invocationId: string;
  readonly path: string;
  readonly headers: Headers;
}

/** The payload of a `PORT_CALL` but for its body. */
export function portCallHead(call: PortHead): Buffer {
  const headers = headerBlock(call.headers);
  const pathBytes = Buffer.byteLength(call.path);
  const blockAt = 13 + call.method.length + call.invocationId.length + pathBytes;
  const head = Buffer.allocUnsafe(blockAt + headers.block.length);
  head.writeUInt8(call.method.length, 0);
  head.writeUInt16LE(call.invocationId.length, 1);
  head.writeUInt32LE(pathBytes, 3);
  head.writeUInt16LE(headers.count, 7);
  head.writeUInt32LE(headers.block.length, 9);
  let at = 13;
  at += head.latin1Write(call.method, at);
  at += head.latin1Write(call.invocationId, at);
  head.utf8Write(call.path, at);
  head.latin1Write(headers.block, blockAt);
  return head;
}
