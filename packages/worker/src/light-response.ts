// The handler's `Response`: a string or small bytes with a status and plain headers is kept as it was given and
// goes to the channel without a native object. Whatever looks at it more closely gets the real one.

import { forwardMembers } from "./forward.ts";
import { type HeaderBlock, headerBlock, headerEntry } from "./head.ts";

export const NativeResponse = globalThis.Response;

type LightBody = string | Uint8Array | null;
type Entry = readonly [name: string, value: string];

/** What is sent, where it is known without asking a stream. */
export interface LightParts {
  readonly status: number;
  readonly count: number;
  readonly block: string;
  readonly body: string | Uint8Array;
}

const TEXT_TYPE = "text/plain;charset=utf-8";
const JSON_TYPE = "application/json;charset=utf-8";
const TEXT_BLOCK = headerEntry("content-type", TEXT_TYPE);
const JSON_BLOCK = headerEntry("content-type", JSON_TYPE);
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
const HEADER_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;
const COPIED_BYTES_MAX = 64 * 1024;
// Members that do not read or hand out the body.
const BODY_UNTOUCHED = new Set([
  "headers",
  "status",
  "statusText",
  "ok",
  "type",
  "url",
  "redirected",
  "bodyUsed",
]);

export class LightResponse {
  readonly #body: LightBody;
  readonly #status: number;
  readonly #entries: readonly Entry[] | undefined;
  readonly #json: boolean;
  #native: Response | undefined;
  #bodyTouched = false;

  private constructor(body: LightBody, init: LightInit, json: "json" | "text") {
    this.#body = body;
    this.#status = init.status;
    this.#entries = init.entries;
    this.#json = json === "json";
  }

  /** `undefined` where only the native class does it right. */
  static from(body: unknown, init: unknown): LightResponse | undefined {
    const parsed = init === undefined ? DEFAULT_INIT : lightInit(init);
    if (parsed === undefined) return undefined;
    if (typeof body === "string") return new LightResponse(body, parsed, "text");
    if (body === undefined || body === null) return new LightResponse(null, parsed, "text");
    if (body instanceof Uint8Array && body.length <= COPIED_BYTES_MAX) {
      return new LightResponse(new Uint8Array(body), parsed, "text");
    }
    return undefined;
  }

  static json(data: unknown, init: unknown): LightResponse | undefined {
    const parsed = init === undefined ? DEFAULT_INIT : lightInit(init);
    if (parsed === undefined) return undefined;
    const body: string | undefined = JSON.stringify(data);
    return body === undefined ? undefined : new LightResponse(body, parsed, "json");
  }

  static is(value: unknown): value is LightResponse {
    return typeof value === "object" && value !== null && #status in value;
  }

  static unwrap(value: unknown): unknown {
    return LightResponse.is(value) ? LightResponse.native(value, "body") : value;
  }

  static native(self: object, member: string): Response {
    const light = self as LightResponse;
    if (!BODY_UNTOUCHED.has(member)) light.#bodyTouched = true;
    light.#native ??= light.#make();
    return light.#native;
  }

  /** What to send, or `undefined` where the body has to be read from the native object. */
  static parts(light: LightResponse): LightParts | undefined {
    const native = light.#native;
    if (native === undefined) return light.#plainParts();
    if (light.#bodyTouched) return undefined;
    const headers = headerBlock(native.headers);
    if (typeof light.#body === "string" && !native.headers.has("content-type")) {
      return {
        status: native.status,
        count: headers.count + 1,
        block: headers.block + TEXT_BLOCK,
        body: light.#body,
      };
    }
    return { status: native.status, ...headers, body: light.#body ?? "" };
  }

  #plainParts(): LightParts {
    const headers = this.#entries === undefined ? NO_HEADERS : entryBlock(this.#entries);
    const body = this.#body ?? "";
    if (headers.typed || typeof this.#body !== "string") {
      return { status: this.#status, count: headers.count, block: headers.block, body };
    }
    const type = this.#json ? JSON_BLOCK : TEXT_BLOCK;
    return { status: this.#status, count: headers.count + 1, block: headers.block + type, body };
  }

  #make(): Response {
    const headers = new Headers();
    for (const [name, value] of this.#entries ?? []) headers.append(name, value);
    if (this.#json && !headers.has("content-type")) headers.set("content-type", JSON_TYPE);
    return new NativeResponse(this.#body as BodyInit | null, { status: this.#status, headers });
  }
}

forwardMembers(LightResponse.prototype, NativeResponse.prototype, LightResponse.native);
Object.defineProperty(LightResponse.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: LightResponse) {
    return LightResponse.native(this, "body");
  },
});

interface LightInit {
  readonly status: number;
  readonly entries: readonly Entry[] | undefined;
}

const DEFAULT_INIT: LightInit = { status: 200, entries: undefined };

interface TypedBlock extends HeaderBlock {
  readonly typed: boolean;
}

const NO_HEADERS: TypedBlock = { count: 0, block: "", typed: false };

function lightInit(init: unknown): LightInit | undefined {
  if (typeof init !== "object" || init === null || Object.getPrototypeOf(init) !== Object.prototype)
    return undefined;
  const { status = 200, statusText, headers } = init as ResponseInit;
  if (!Number.isInteger(status) || status < 200 || status > 599 || statusText !== undefined)
    return undefined;
  if (headers === undefined) return { status, entries: undefined };
  const entries = lightHeaders(headers);
  return entries === undefined ? undefined : { status, entries };
}

function lightHeaders(headers: object): Entry[] | undefined {
  if (headers === null || Object.getPrototypeOf(headers) !== Object.prototype) return undefined;
  const entries: Entry[] = [];
  for (const name of Object.keys(headers)) {
    const value: unknown = (headers as Record<string, unknown>)[name];
    if (typeof value !== "string" || !HEADER_VALUE.test(value) || !HEADER_NAME.test(name))
      return undefined;
    entries.push([name, value]);
  }
  return entries;
}

function entryBlock(entries: readonly Entry[]): TypedBlock {
  let block = "";
  let typed = false;
  for (const [name, value] of entries) {
    block += headerEntry(name, value);
    if (name.length === 12 && name.toLowerCase() === "content-type") typed = true;
  }
  return { count: entries.length, block, typed };
}
