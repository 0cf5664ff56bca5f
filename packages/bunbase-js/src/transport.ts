/**
 * One call on the wire: method, path and JSON body in, status and text out, with a timeout for
 * each attempt, the caller's abort signal, and retries where they are safe.
 * How the bytes travel is a `Send`: HTTP with a project key, or the channel of a running function.
 */
import { Deadline } from "./deadline.ts";
import { BunbaseError, errorFromResponse } from "./errors.ts";
import { DEFAULT_RETRY, type RetryOptions, retryDelayMs, wait } from "./retry.ts";

/** What a body can be made of. */
export type WireBody = string | Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>;

export interface WireRequest {
  method: string;
  /** Path and query, from `/v1` on. */
  path: string;
  headers: Record<string, string>;
  body?: WireBody | undefined;
  signal?: AbortSignal | undefined;
}

export type Send = (request: WireRequest) => Promise<Response>;

export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** For each attempt; 0 for none. */
  timeoutMs?: number | undefined;
  /** Says that making this call twice does no harm, so that it may be retried. */
  idempotent?: boolean | undefined;
}

export interface Call extends CallOptions {
  method: string;
  path: string;
  headers?: Record<string, string> | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  raw?: WireBody | undefined;
}

/** Who is signed in beside the key. */
export interface Bearer {
  /** The access token for the next call, where somebody is signed in. */
  token(): Promise<string | undefined>;
  /** Called when the server no longer takes `token`; true where another one is there now. */
  renew(token: string): Promise<boolean>;
}

export interface TransportOptions {
  /** For each attempt, 30 s unless said. */
  timeoutMs?: number | undefined;
  retry?: Partial<RetryOptions> | undefined;
}

/** An answer with a status below 400. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

type Read<R> = (response: Response, deadline: Deadline) => Promise<R>;

const DEFAULT_TIMEOUT_MS = 30_000;

export class Transport {
  readonly #send: Send;
  readonly #timeoutMs: number;
  readonly #retry: RetryOptions;
  readonly #headers: Readonly<Record<string, string>>;
  #bearer: Bearer | undefined;

  /** `headers` go with every call. */
  constructor(
    send: Send,
    options: TransportOptions,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#send = send;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    this.#headers = headers;
  }

  /** The same, with `headers` on every call. */
  with(headers: Readonly<Record<string, string>>): Transport {
    const options = { timeoutMs: this.#timeoutMs, retry: this.#retry };
    const other = new Transport(this.#send, options, { ...this.#headers, ...headers });
    if (this.#bearer !== undefined) other.speakFor(this.#bearer);
    return other;
  }

  /** From now on calls are made for whoever `bearer` says. */
  speakFor(bearer: Bearer): void {
    this.#bearer = bearer;
  }

  /** One attempt, with the answer as it comes, whatever its status. */
  async raw(request: WireRequest): Promise<Response> {
    const token = request.headers.authorization ? undefined : await this.#bearer?.token();
    if (token === undefined) return this.#send(request);
    const signed = (bearer: string) => ({
      ...request,
      headers: { ...request.headers, authorization: `Bearer ${bearer}` },
    });
    const response = await this.#send(signed(token));
    const repeatable = !(request.body instanceof ReadableStream);
    if (response.status !== 401 || !repeatable || !(await this.#bearer?.renew(token))) {
      return response;
    }
    await response.body?.cancel();
    const next = await this.#bearer?.token();
    return this.#send(next === undefined ? request : signed(next));
  }

  /** The answer's JSON, or `undefined` where it has no body. */
  async json<R>(call: Call): Promise<R> {
    return parseAnswer<R>(await this.call(call));
  }

  /** The whole answer, as text. */
  call(call: Call): Promise<Answer> {
    return this.#repeated(call, async (response) => {
      const text = await response.text();
      if (response.status >= 400) throw errorFromResponse(response, text);
      return { status: response.status, headers: response.headers, text };
    });
  }

  /** The answer as soon as its head is there; its body may take as long as it does. */
  open(call: Call): Promise<Response> {
    return this.#repeated(call, async (response, deadline) => {
      if (response.status >= 400) throw errorFromResponse(response, await response.text());
      deadline.outlive();
      return response;
    });
  }

  async #repeated<R>(call: Call, read: Read<R>): Promise<R> {
    const reads = call.method === "GET" || call.method === "HEAD";
    const repeatable = call.idempotent ?? reads;
    for (let attempt = 1; ; attempt++) {
      call.signal?.throwIfAborted();
      try {
        return await this.#attempt(call, read);
      } catch (error) {
        const delayMs = retryDelayMs({ error, attempt, repeatable }, this.#retry);
        if (delayMs === undefined || call.raw instanceof ReadableStream) throw error;
        await wait(delayMs, call.signal);
      }
    }
  }

  async #attempt<R>(call: Call, read: Read<R>): Promise<R> {
    const what = `${call.method} ${call.path}`;
    const deadline = new Deadline(call.signal, call.timeoutMs ?? this.#timeoutMs);
    try {
      const headers = { ...this.#headers, ...call.headers };
      const response = this.raw(wireRequest({ ...call, headers }, deadline.signal));
      const answer = response.then((head) => read(head, deadline));
      return await Promise.race([answer, deadline.passed]);
    } catch (error) {
      throw deadline.explain(error, what);
    } finally {
      deadline.clear();
    }
  }
}

function wireRequest(call: Call, signal: AbortSignal): WireRequest {
  const json = call.body === undefined ? undefined : JSON.stringify(call.body);
  const headers: Record<string, string> = { accept: "application/json", ...call.headers };
  if (json !== undefined) headers["content-type"] ??= "application/json";
  return { method: call.method, path: call.path, headers, body: call.raw ?? json, signal };
}

/** The JSON of an answer, or `undefined` where it has no body. */
export function parseAnswer<R>(answer: Answer): R {
  if (answer.text === "") return undefined as R;
  try {
    return JSON.parse(answer.text) as R;
  } catch (cause) {
    const message = `the server answered ${answer.status} with a body that is not JSON`;
    throw new BunbaseError({ code: "invalid_answer", status: answer.status, message, cause });
  }
}
