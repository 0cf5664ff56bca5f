// What the body of a response is made of, where it lies in memory: the native class keeps that to itself. It decides
// about the default type and the length of the answer, which are those of `Bun.serve`.

import { isAscii } from "node:buffer";
import { headerEntry } from "./head.ts";

/** A body that a light response keeps as it is. */
export type LightBody = string | Uint8Array<ArrayBuffer> | null;

/** The type of a body for which nobody named one. */
export interface BodyType {
  readonly name: string;
  readonly block: string;
  /** It is among the headers that the handler sees, and not only added when the answer is sent. */
  readonly shown: boolean;
}

function bodyType(name: string, shown: boolean): BodyType {
  return { name, block: headerEntry("content-type", name), shown };
}

export const TEXT = bodyType("text/plain;charset=utf-8", false);
export const BYTES = bodyType("application/octet-stream", false);
export const JSON_TEXT = bodyType("application/json;charset=utf-8", true);
const FORM = bodyType("application/x-www-form-urlencoded;charset=UTF-8", true);

const COPIED_BYTES_MAX = 64 * 1024;

/** Body and type of what is small and plain; `undefined` for all else. */
export function lightBody(body: unknown): [LightBody, BodyType] | undefined {
  if (typeof body === "string") return [body, TEXT];
  if (body === undefined || body === null) return [null, TEXT];
  if (typeof body === "number" || typeof body === "boolean") return [String(body), TEXT];
  if (body instanceof URLSearchParams) return [body.toString(), FORM];
  const bytes = bytesOf(body);
  return bytes === undefined || bytes.length > COPIED_BYTES_MAX
    ? undefined
    : [new Uint8Array(bytes), BYTES];
}

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body instanceof Uint8Array) return body;
  if (ArrayBuffer.isView(body))
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return body instanceof ArrayBuffer ? new Uint8Array(body) : undefined;
}

/** Native responses whose bodies can be read at once, and what was given as their body. */
const inMemory = new WeakMap<Response, "text" | "bytes" | "blob">();

/** Remembers of what a native response was made. */
export function remember(response: Response, body: unknown): void {
  if (typeof body === "string") inMemory.set(response, "text");
  else if (body instanceof Blob) {
    // A blob with a name is a file of the disk, unless it is a `File`.
    const { name } = body as { name?: string };
    if (name === undefined || body instanceof File) inMemory.set(response, "blob");
  } else if (body instanceof FormData || bytesOf(body) !== undefined)
    inMemory.set(response, "bytes");
}

export function isInMemory(response: Response): boolean {
  return inMemory.has(response) && !response.bodyUsed;
}

/** The type that the bytes of such a response have by default. */
export function defaultType(response: Response, bytes: Uint8Array): BodyType {
  const kind = inMemory.get(response);
  return kind === "text" || (kind === "blob" && isAscii(bytes)) ? TEXT : BYTES;
}
