// Holds a function to the hosts that it declared, in the ways in which code connects on purpose: `fetch`,
// `WebSocket`, `Bun.connect`, `node:net`, `node:tls` and `node:http`. This catches accidents and careless packages.
// It is no wall: code that wants out finds a way (`bun:ffi`, native clients). Only an empty list is a wall, because
// then the kernel refuses the worker every internet socket.

import type Net from "node:net";

const REDIRECTS_MAX = 20;
const DEFAULT_PORTS: Readonly<Record<string, string>> = {
  "http:": "80",
  "https:": "443",
  "ws:": "80",
  "wss:": "443",
};

export class HostRefused extends Error {
  readonly code = "ERR_HOST_REFUSED";

  constructor(host: string) {
    super(`the function may not connect to ${host}: it is not among its allowed_hosts`);
    this.name = "HostRefused";
  }
}

/** `example.com`, `*.example.com` (every name below it), each with `:port` where only that port is meant. */
export class HostList {
  readonly #rules: readonly { host: string; port: string | undefined }[];

  constructor(patterns: readonly string[]) {
    this.#rules = patterns.map((pattern) => {
      const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(pattern.toLowerCase()) ?? [];
      return { host: bare(host), port };
    });
  }

  allows(host: string, port: string): boolean {
    const wanted = bare(host.toLowerCase());
    return this.#rules.some((rule) => {
      if (rule.port !== undefined && rule.port !== port) return false;
      return rule.host.startsWith("*.")
        ? wanted.endsWith(rule.host.slice(1))
        : wanted === rule.host;
    });
  }

  check(host: string, port: string): void {
    if (!this.allows(host, port)) throw new HostRefused(host);
  }

  checkUrl(url: URL): void {
    const port = url.port || DEFAULT_PORTS[url.protocol];
    // Without a port it is no address: `data:`, `blob:`, `file:`.
    if (port !== undefined) this.check(url.hostname, port);
  }
}

/** Without the dot of the root, and without the brackets of IPv6. */
function bare(host: string): string {
  return host.replace(/\.$/, "").replace(/^\[(.*)\]$/, "$1");
}

export function restrictHosts(patterns: readonly string[]): void {
  const list = new HostList(patterns);
  globalThis.fetch = Object.assign(restrictedFetch(list, globalThis.fetch), {
    preconnect: () => undefined,
  }) as typeof fetch;
  restrictWebSocket(list);
  restrictConnect(list);
  // Only now: these modules take 2 ms of a cold start, and few functions restrict their hosts.
  restrictSockets(list, process.getBuiltinModule("node:net"));
  restrictNodeHttp(list, process.getBuiltinModule("node:http"), "http:");
  restrictNodeHttp(list, process.getBuiltinModule("node:https"), "https:");
}

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export function restrictedFetch(list: HostList, fetch: Fetch): Fetch {
  return async (input, init) => {
    const request = new Request(input as Request, init);
    list.checkUrl(new URL(request.url));
    if (request.redirect !== "follow") return fetch(input, init);
    return follow(list, fetch, request);
  };
}

/** Redirects by hand (Fetch standard, HTTP-redirect fetch), so that each address is looked at first. */
async function follow(list: HostList, fetch: Fetch, first: Request): Promise<Response> {
  let request = first;
  for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
    const again = request.body === null ? undefined : request.clone();
    const response = await fetch(request, { redirect: "manual" });
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    const target = new URL(location, request.url);
    list.checkUrl(target);
    await response.body?.cancel();
    request = redirected(request, again, response.status, target);
  }
  throw new TypeError(`the answer redirected more than ${REDIRECTS_MAX} times`);
}

function redirected(
  from: Request,
  again: Request | undefined,
  status: number,
  target: URL,
): Request {
  const becomesGet =
    (status === 303 && from.method !== "GET" && from.method !== "HEAD") ||
    (status < 303 && from.method === "POST");
  const headers = new Headers(from.headers);
  if (new URL(from.url).origin !== target.origin) {
    for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
  }
  if (!becomesGet) {
    const { method, signal } = from;
    const body = again?.body ?? null;
    return new Request(target, { method, headers, signal, body });
  }
  for (const name of ["content-encoding", "content-language", "content-location", "content-type"])
    headers.delete(name);
  headers.delete("content-length");
  return new Request(target, { headers, signal: from.signal });
}

function restrictWebSocket(list: HostList): void {
  const Native = globalThis.WebSocket;
  globalThis.WebSocket = new Proxy(Native, {
    construct(target, parameters, newTarget) {
      list.checkUrl(new URL(String(parameters[0])));
      return Reflect.construct(target, parameters, newTarget);
    },
  });
}

interface Address {
  readonly host?: string;
  readonly hostname?: string;
  readonly port?: number | string;
  readonly unix?: string;
  readonly path?: string | null;
}

function checkAddress(list: HostList, { host, hostname, port, unix, path }: Address): void {
  if (unix !== undefined || (port === undefined && typeof path === "string")) return;
  list.check(hostname ?? host ?? "localhost", String(port));
}

function restrictConnect(list: HostList): void {
  const native = Bun.connect;
  Reflect.set(Bun, "connect", (options: Address) => {
    checkAddress(list, options);
    return Reflect.apply(native, Bun, [options]);
  });
}

/** `net.connect`, `tls.connect`, and what is built on them. */
function restrictSockets(list: HostList, net: typeof Net): void {
  const native = net.Socket.prototype.connect;
  Reflect.set(net.Socket.prototype, "connect", function (this: Net.Socket, ...given: unknown[]) {
    // Node hands normalized parameters on as one array.
    const parameters = Array.isArray(given[0]) ? (given[0] as unknown[]) : given;
    const [first, second] = parameters;
    if (typeof first === "object" && first !== null) checkAddress(list, first as Address);
    else if (typeof first === "number" || /^\d+$/.test(String(first)))
      list.check(typeof second === "string" ? second : "localhost", String(first));
    return Reflect.apply(native, this, given);
  });
}

function restrictNodeHttp(list: HostList, module: object, protocol: string): void {
  for (const name of ["request", "get"] as const) {
    const native = Reflect.get(module, name) as (...parameters: unknown[]) => unknown;
    Reflect.set(module, name, (...parameters: unknown[]) => {
      const [first, second] = parameters;
      if (typeof first === "string" || first instanceof URL) list.checkUrl(new URL(first));
      const options = (typeof first === "object" && !(first instanceof URL) ? first : second) as
        | Address
        | undefined;
      if (typeof options === "object" && options !== null && (options.host ?? options.hostname))
        checkAddress(list, { port: DEFAULT_PORTS[protocol] as string, ...options });
      return Reflect.apply(native, module, parameters);
    });
  }
}
