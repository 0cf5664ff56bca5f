// The handler's `Request`: method, URL, headers and body are made when they are touched. Whole bodies are read
// without a native object; everything rarer goes to a real `Request`, made on demand, which then owns the body.

import { forwardMembers } from "./forward.ts";
import type { RequestHead } from "./head.ts";
import { BODY_FULL, BODY_STREAM } from "./protocol.ts";

export const NativeRequest = globalThis.Request;

/** What a request needs from the call that it belongs to. */
export interface RequestSource {
  readonly head: RequestHead;
  readonly signal: AbortSignal;
  bodyStream(): ReadableStream<Uint8Array>;
}

// An address that the URL parser would return as it is: nothing to escape, no dot segments, no default port.
const CANONICAL_URL =
  /^https?:\/\/[a-z0-9.-]+(?::(?!80\/|443\/)[1-9]\d*)?\/(?!.*\/(?:\.|%2[eE])|\.|%2[eE])[A-Za-z0-9\-_~.!$&()*+,;=:@/%]*(?:\?[A-Za-z0-9\-_~.!$&()*+,;=:@/%?[\]]*)?$/;

export class LazyRequest {
  readonly #source: RequestSource;
  #native: Request | undefined;
  #headers: Headers | undefined;
  #url: string | undefined;
  #used = false;

  constructor(source: RequestSource) {
    this.#source = source;
  }

  get method(): string {
    return this.#source.head.method;
  }

  get url(): string {
    this.#url ??= canonicalUrl(this.#source.head.url);
    return this.#url;
  }

  get headers(): Headers {
    this.#headers ??= this.#source.head.headers();
    return this.#headers;
  }

  get signal(): AbortSignal {
    return this.#source.signal;
  }

  get bodyUsed(): boolean {
    return this.#native === undefined ? this.#used : this.#native.bodyUsed;
  }

  text(): Promise<string> {
    const bytes = this.#takeBytes();
    return bytes === undefined ? this.#real().text() : Promise.resolve(decode(bytes));
  }

  json(): Promise<unknown> {
    const bytes = this.#takeBytes();
    if (bytes === undefined) return this.#real().json();
    try {
      return Promise.resolve(JSON.parse(decode(bytes)));
    } catch {
      // The native class says it in its own words.
      return new NativeRequest(this.url, { method: "POST", body: new Uint8Array(bytes) }).json();
    }
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = this.#takeBytes();
    if (bytes === undefined) return this.#real().arrayBuffer();
    return Promise.resolve(new Uint8Array(bytes).buffer);
  }

  bytes(): Promise<Uint8Array> {
    const bytes = this.#takeBytes();
    if (bytes === undefined) return this.#real().bytes();
    return Promise.resolve(new Uint8Array(bytes));
  }

  /** With the type of the request, as the Fetch standard has it: `Bun.serve` forgets it. */
  async blob(): Promise<Blob> {
    const type = this.headers.get("content-type") ?? "";
    return new Blob([await this.arrayBuffer()], { type });
  }

  /** The real request, with headers as they are now. */
  static unwrap(value: unknown): unknown {
    if (!(typeof value === "object" && value !== null && #native in value)) return value;
    return value.#synced();
  }

  static native(self: object): Request {
    return (self as LazyRequest).#real();
  }

  /** The bytes of a whole body that nobody has read yet, and which this read uses up. */
  #takeBytes(): Buffer | undefined {
    if (this.#native !== undefined || this.#used || this.#source.head.bodyKind !== BODY_FULL)
      return undefined;
    this.#used = true;
    return this.#source.head.body();
  }

  #real(): Request {
    this.#native ??= this.#make();
    return this.#native;
  }

  #make(): Request {
    const { head, signal } = this.#source;
    const init: RequestInit & { duplex?: "half" } = {
      method: head.method,
      headers: this.headers,
      signal,
    };
    if (head.bodyKind === BODY_FULL) {
      init.body = new Uint8Array(head.body());
    } else if (head.bodyKind === BODY_STREAM) {
      init.body = this.#source.bodyStream();
      init.duplex = "half";
    }
    const request = new NativeRequest(this.url, init);
    if (this.#used) void request.arrayBuffer();
    return request;
  }

  #synced(): Request {
    const request = this.#real();
    if (this.#headers !== undefined) {
      for (const name of [...request.headers.keys()]) {
        if (!this.#headers.has(name)) request.headers.delete(name);
      }
      for (const [name, value] of this.#headers) request.headers.set(name, value);
    }
    return request;
  }

  clone(): Request {
    return this.#synced().clone();
  }
}

forwardMembers(LazyRequest.prototype, NativeRequest.prototype, LazyRequest.native);
Object.defineProperty(LazyRequest.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: LazyRequest) {
    return LazyRequest.native(this);
  },
});

function canonicalUrl(url: string): string {
  if (CANONICAL_URL.test(url)) return url;
  return URL.canParse(url) ? new URL(url).href : url;
}

function decode(bytes: Buffer): string {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return bytes.utf8Slice(hasMark ? 3 : 0, bytes.length);
}
