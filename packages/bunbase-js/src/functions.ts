/** Calls to the project's functions. */
import { functionPath, queryString } from "./path.ts";
import { type CallOptions, parseAnswer, type Transport } from "./transport.ts";

export interface InvokeOptions extends CallOptions {
  /** `POST` unless said. */
  method?: string;
  /** What stands behind the name in the path, already percent-encoded. */
  path?: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  headers?: Record<string, string>;
}

export interface FetchOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Text, such as JSON. */
  body?: string;
  signal?: AbortSignal;
}

export class Functions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `name@alias` means the version that has the alias. Sends `body` as JSON and answers with the function's JSON, or with its text where it answered
   * with another type; a status of 400 and over is thrown as `BunbaseError`. */
  async invoke<R = unknown>(name: string, body?: unknown, options: InvokeOptions = {}): Promise<R> {
    const { method = "POST", path, query, ...call } = options;
    const url = functionPath(name, path) + queryString(query ?? {});
    const answer = await this.#transport.call({ ...call, method, path: url, body });
    const type = answer.headers.get("content-type") ?? "";
    return isJson(type) ? parseAnswer<R>(answer) : (answer.text as R);
  }

  /** The function's own answer, whatever its status: one attempt, no timeout. */
  async fetch(name: string, path = "", options: FetchOptions = {}): Promise<Response> {
    const { method = "GET", headers = {}, body, signal } = options;
    return this.#transport.raw({ method, path: functionPath(name, path), headers, body, signal });
  }
}

function isJson(type: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(type);
}
