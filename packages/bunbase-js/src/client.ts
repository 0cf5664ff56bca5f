/** A client of one project, over HTTP with one of its keys. */
import { Database } from "./database.ts";
import { Functions } from "./functions.ts";
import { type Send, Transport, type TransportOptions, type WireRequest } from "./transport.ts";

export interface BunbaseClient {
  readonly db: Database;
  readonly functions: Functions;
}

/** The part of `fetch` that is needed. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ClientOptions extends TransportOptions {
  /** In place of the global `fetch`. */
  fetch?: Fetch;
}

const KEY_HEADER = "X-Bunbase-Client-Key";

/**
 * `url` is the address of the server, such as `http://127.0.0.1:3001`; `key` a public key
 * (`pk_…`, for browsers) or a secret one (`sk_…`, for servers only).
 */
export function createClient(url: string, key: string, options: ClientOptions = {}): BunbaseClient {
  if (!key) throw new TypeError("createClient needs a project key (pk_… or sk_…)");
  return clientOver(httpSend(baseUrl(url), key, options.fetch), options);
}

/** A client whose calls travel by `send`. */
export function clientOver(send: Send, options: TransportOptions = {}): BunbaseClient {
  const transport = new Transport(send, options);
  return { db: new Database(transport), functions: new Functions(transport) };
}

function httpSend(base: string, key: string, fetchOption: Fetch | undefined): Send {
  return ({ method, path, headers, body, signal }: WireRequest) => {
    const send = fetchOption ?? globalThis.fetch;
    const init: RequestInit = { method, headers: { ...headers, [KEY_HEADER]: key } };
    if (body !== undefined) init.body = body;
    if (signal !== undefined) init.signal = signal;
    return send(base + path, init);
  };
}

function baseUrl(url: string): string {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new TypeError(
      `createClient needs the server's address (http:// or https://), not ${url}`,
    );
  }
  return url.replace(/\/+$/, "");
}
