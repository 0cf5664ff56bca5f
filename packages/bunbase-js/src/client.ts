/** A client of one project, over HTTP with one of its keys. */
import { Auth, type AuthOptions } from "./auth.ts";
import { Database } from "./database.ts";
import { Events } from "./events.ts";
import { Functions } from "./functions.ts";
import { KeyValue } from "./kv.ts";
import { Queue } from "./queue.ts";
import { ObjectStorage } from "./storage.ts";
import { type Send, Transport, type TransportOptions, type WireRequest } from "./transport.ts";

/** What a function's own client has, too. */
export interface ProjectClient {
  readonly db: Database;
  readonly functions: Functions;
  readonly kv: KeyValue;
  readonly storage: ObjectStorage;
  readonly events: Events;
  /** A queue by its name. */
  queue(name: string): Queue;
}

export interface BunbaseClient extends ProjectClient {
  /** End users: whoever is signed in is who the rules see in every call. */
  readonly auth: Auth;
}

/** The part of `fetch` that is needed. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ClientOptions extends TransportOptions {
  /** In place of the global `fetch`. */
  fetch?: Fetch;
  auth?: AuthOptions;
}

const KEY_HEADER = "X-Bunbase-Client-Key";

/**
 * `url` is the address of the server, such as `http://127.0.0.1:3001`; `key` a public key
 * (`pk_…`, for browsers) or a secret one (`sk_…`, for servers only).
 */
export function createClient(url: string, key: string, options: ClientOptions = {}): BunbaseClient {
  if (!key) throw new TypeError("createClient needs a project key (pk_… or sk_…)");
  const base = baseUrl(url);
  const send = httpSend(base, key, options.fetch);
  const storageKey = options.auth?.storageKey ?? `bunbase.auth.${base}.${key.slice(0, 12)}`;
  const auth = new Auth(new Transport(send, options), { ...options.auth, storageKey });
  const transport = new Transport(send, options);
  transport.speakFor(auth);
  return { ...clientOf(transport), auth };
}

/** A client whose calls travel by `send`. */
export function clientOver(send: Send, options: TransportOptions = {}): ProjectClient {
  return clientOf(new Transport(send, options));
}

function clientOf(transport: Transport): ProjectClient {
  return {
    db: new Database(transport),
    functions: new Functions(transport),
    kv: new KeyValue(transport),
    storage: new ObjectStorage(transport),
    events: new Events(transport),
    queue: (name) => new Queue(transport, name),
  };
}

function httpSend(base: string, key: string, fetchOption: Fetch | undefined): Send {
  return ({ method, path, headers, body, signal }: WireRequest) => {
    const send = fetchOption ?? globalThis.fetch;
    const init: RequestInit & { duplex?: "half" } = {
      method,
      headers: { ...headers, [KEY_HEADER]: key },
    };
    if (body !== undefined) init.body = body;
    if (body instanceof ReadableStream) init.duplex = "half";
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
