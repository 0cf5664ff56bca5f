/**
 * One call on the wire: method, path and JSON body in, status and text out, with a timeout for
 * each attempt, the caller's abort signal, and retries where they are safe.
 * How the bytes travel is a `Send`: HTTP with a project key, or the channel of a running function.
 */
import { Deadline } from "./deadline.ts";
import { BunbaseError, errorFromResponse } from "./errors.ts";
import { DEFAULT_RETRY, type RetryOptions, retryDelayMs, wait } from "./retry.ts";

export interface WireRequest {
  method: string;
  /** Path and query, from `/v1` on. */
  path: string;
  headers: Record<string, string>;
  body?: string | undefined;
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

const DEFAULT_TIMEOUT_MS = 30_000;

export class Transport {
  readonly #send: Send;
  readonly #timeoutMs: number;
  readonly #retry: RetryOptions;

  constructor(send: Send, options: TransportOptions) {
    this.#send = send;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
  }

  /** One attempt, with the answer as it comes, whatever its status. */
  raw(request: WireRequest): Promise<Response> {
    return this.#send(request);
  }

  /** The answer's JSON, or `undefined` where it has no body. */
  async json<R>(call: Call): Promise<R> {
    return parseAnswer<R>(await this.call(call));
  }

  async call(call: Call): Promise<Answer> {
    const repeatable = call.idempotent ?? (call.method === "GET" || call.method === "HEAD");
    for (let attempt = 1; ; attempt++) {
      call.signal?.throwIfAborted();
      try {
        return await this.#attempt(call);
      } catch (error) {
        const delayMs = retryDelayMs({ error, attempt, repeatable }, this.#retry);
        if (delayMs === undefined) throw error;
        await wait(delayMs, call.signal);
      }
    }
  }

  async #attempt(call: Call): Promise<Answer> {
    const what = `${call.method} ${call.path}`;
    const deadline = new Deadline(call.signal, call.timeoutMs ?? this.#timeoutMs);
    try {
      return await Promise.race([this.#exchange(call, deadline.signal), deadline.passed]);
    } catch (error) {
      throw deadline.explain(error, what);
    } finally {
      deadline.clear();
    }
  }

  async #exchange(call: Call, signal: AbortSignal): Promise<Answer> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (body !== undefined) headers["content-type"] ??= "application/json";
    const response = await this.#send({
      method: call.method,
      path: call.path,
      headers,
      body,
      signal,
    });
    const text = await response.text();
    if (response.status >= 400) throw errorFromResponse(response, text);
    return { status: response.status, headers: response.headers, text };
  }
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
