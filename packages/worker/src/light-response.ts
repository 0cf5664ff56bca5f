// The handler's `Response`: a string or small bytes with a status and headers is kept as it was given and goes to the
// channel without a native object. Whatever looks at it more closely gets the real one.

import { forwardMembers } from "./forward.ts";
import { type HeaderBlock, headerBlock, headerEntry } from "./head.ts";
import {
  type BodyType,
  BYTES,
  JSON_TEXT,
  type LightBody,
  lightBody,
  TEXT,
} from "./response-body.ts";

export const NativeResponse = globalThis.Response;

type Entry = readonly [name: string, value: string];

/** What is sent, where it is known without asking a stream. */
export interface LightParts {
  readonly status: number;
  readonly count: number;
  readonly block: string;
  readonly body: string | Uint8Array;
}

interface LightInit {
  readonly status: number;
  readonly statusText: string;
  readonly entries: readonly Entry[] | undefined;
}

const DEFAULT_INIT: LightInit = { status: 200, statusText: "", entries: undefined };
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
const HEADER_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;

/** The responses whose bodies were asked for as streams: frameworks wrap these in another response. */
const wrapped = new WeakMap<ReadableStream, LightResponse>();

export class LightResponse {
  readonly #body: LightBody;
  readonly #init: LightInit;
  readonly #type: BodyType;
  #native: Response | undefined;
  /** The body, where somebody has asked for it. */
  #stream: ReadableStream | null = null;
  #sent = false;

  private constructor(body: LightBody, init: LightInit, type: BodyType) {
    this.#body = body;
    this.#init = init;
    this.#type = type;
  }

  /** `undefined` where only the native class does it right. */
  static from(body: unknown, init: unknown): LightResponse | undefined {
    const light = body instanceof ReadableStream ? unread(body) : lightBody(body);
    if (light === undefined) return undefined;
    const parsed = init === undefined ? DEFAULT_INIT : lightInit(init);
    return parsed && new LightResponse(light[0], parsed, light[1]);
  }

  static json(data: unknown, init: unknown): LightResponse | undefined {
    const parsed = init === undefined ? DEFAULT_INIT : lightInit(init);
    if (parsed === undefined) return undefined;
    try {
      const body: string | undefined = JSON.stringify(data);
      return body === undefined ? undefined : new LightResponse(body, parsed, JSON_TEXT);
    } catch {
      return undefined;
    }
  }

  static is(value: unknown): value is LightResponse {
    return typeof value === "object" && value !== null && #type in value;
  }

  static unwrap(value: unknown): unknown {
    return LightResponse.is(value) ? LightResponse.native(value) : value;
  }

  static native(self: object): Response {
    const light = self as LightResponse;
    light.#native ??= light.#make();
    return light.#native;
  }

  /** What its stream would give, as long as nobody reads from that. */
  static unread(light: LightResponse): LightBody | undefined {
    return light.#isUntouched() ? light.#body : undefined;
  }

  /** What to send, or `undefined` where somebody else has read from the body, or may. */
  static parts(light: LightResponse): LightParts | undefined {
    if (!light.#isUntouched()) return undefined;
    const body = light.#body ?? "";
    const { count, block, typed } = light.#headers();
    const status = light.#native?.status ?? light.#init.status;
    const type = light.#typeNow();
    // Nothing has no type, unless one was shown.
    if (typed || (body.length === 0 && !type.shown)) return { status, count, block, body };
    return { status, count: count + 1, block: block + type.block, body };
  }

  /** Marks it as sent; throws where it was before, as its body is used then. */
  static send(light: LightResponse): void {
    if (light.#sent && light.#body !== null && light.#body.length > 0)
      throw new TypeError("the body of the response was already used");
    light.#sent = true;
  }

  get body(): ReadableStream | null {
    this.#stream = LightResponse.native(this).body;
    if (this.#stream !== null) wrapped.set(this.#stream, this);
    return this.#stream;
  }

  clone(): Response {
    if (!this.#isUntouched()) return LightResponse.native(this).clone();
    const init =
      this.#native === undefined
        ? this.#init
        : { ...this.#init, entries: [...this.#native.headers] };
    return new LightResponse(this.#body, init, this.#typeNow()) as unknown as Response;
  }

  /** A type that was shown among the headers and is gone was removed. */
  #typeNow(): BodyType {
    const isGone = this.#type.shown && this.#native?.headers.has("content-type") === false;
    return isGone ? TEXT : this.#type;
  }

  #isUntouched(): boolean {
    return this.#native?.bodyUsed !== true && this.#stream?.locked !== true;
  }

  #headers(): TypedBlock {
    if (this.#native !== undefined) return nativeHeaders(this.#native);
    const { entries } = this.#init;
    return entries === undefined ? NO_HEADERS : entryBlock(entries);
  }

  #make(): Response {
    const { status, statusText, entries } = this.#init;
    const headers = new Headers();
    for (const [name, value] of entries ?? []) headers.append(name, value);
    if (this.#type.shown && !headers.has("content-type"))
      headers.set("content-type", this.#type.name);
    return new NativeResponse(this.#body as BodyInit | null, { status, statusText, headers });
  }
}

forwardMembers(LightResponse.prototype, NativeResponse.prototype, LightResponse.native);
Object.defineProperty(LightResponse.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: LightResponse) {
    return LightResponse.native(this);
  },
});

/** As bytes of no known type: a stream says no more. */
function unread(stream: ReadableStream): [LightBody, BodyType] | undefined {
  const light = wrapped.get(stream);
  const body = light && LightResponse.unread(light);
  return body === undefined ? undefined : [body, BYTES];
}

interface TypedBlock extends HeaderBlock {
  readonly typed: boolean;
}

const NO_HEADERS: TypedBlock = { count: 0, block: "", typed: false };

function lightInit(init: unknown): LightInit | undefined {
  if (typeof init !== "object" || init === null) return undefined;
  const { status = 200, statusText = "", headers } = init as ResponseInit;
  if (!Number.isInteger(status) || status < 200 || status > 599) return undefined;
  if (typeof statusText !== "string" || (statusText !== "" && !HEADER_VALUE.test(statusText)))
    return undefined;
  if (headers === undefined) return { status, statusText, entries: undefined };
  const entries = plainEntries(headers) ?? entriesOf(headers);
  return entries && { status, statusText, entries };
}

/** Those of an object with ordinary values, without native headers. */
function plainEntries(headers: object): Entry[] | undefined {
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

function entriesOf(headers: unknown): Entry[] | undefined {
  try {
    return [...(headers instanceof Headers ? headers : new Headers(headers as HeadersInit))];
  } catch {
    return undefined;
  }
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

function nativeHeaders({ headers }: Response): TypedBlock {
  return { ...headerBlock(headers), typed: headers.has("content-type") };
}
