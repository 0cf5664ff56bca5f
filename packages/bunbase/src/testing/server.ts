/** An application behind `Bun.serve`, for tests that send requests. */

import type { AnyAction, ModuleDefinition } from "../action.ts";
import type { SessionPayload } from "../auth/session-manager.ts";
import type { BunbaseConfig } from "../config.ts";
import { NotFound } from "../errors.ts";
import type { Identity, SessionOperation } from "../iam/auth-context.ts";
import { setCookie } from "../runtime/cookies.ts";
import type { Manifest } from "../runtime/manifest.ts";
import { ascii, failure } from "../runtime/output.ts";
import {
  CONTEXT_HEADER,
  SESSION_HEADER,
  type WireAuth,
  type WireContext,
} from "../runtime/wire.ts";
import { type Application, application } from "../runtime.ts";
import { filesOf, reachOfTest, type TestReach } from "./reach.ts";
import { inputFrom, type Route, routesOf } from "./request.ts";
import { type MemoryServices, memoryServices } from "./services.ts";

export interface TestServerOptions extends TestReach {
  config?: BunbaseConfig;
  /** Actions and modules. */
  actions: readonly (AnyAction | ModuleDefinition)[];
  /** Who calls, where no session says so; nobody where absent. */
  auth?: Identity;
}

export interface TestServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly manifest: Manifest;
  /** What was put in queues, emitted and mailed. */
  readonly services: MemoryServices;
  stop(): Promise<void>;
}

/**
 * Serves the `api` and `webhook` triggers of an application on a free port. Sessions are kept in memory; jobs and events
 * are kept and not run; webhooks with a verifier of `webhooks` are taken as verified, since the server does that.
 */
export function createTestServer(options: TestServerOptions): TestServer {
  const services = { ...memoryServices(), ...options.services };
  const { config = {} } = options;
  const reach = {
    ...reachOfTest({ ...options, services }),
    guardMode: config.guards?.defaultMode ?? "sequential",
  } as const;
  const app = application({ config, ...filesOf(options.actions) }, reach);
  const routes = routesOf(app.manifest);
  const sessions = new Sessions(config.auth?.cookie?.name, options.auth);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => answer(app, routes, sessions, request),
  });
  return {
    url: server.url.origin,
    manifest: app.manifest,
    services,
    stop: () => server.stop(true),
  };
}

async function answer(
  app: Application,
  routes: readonly Route[],
  sessions: Sessions,
  request: Request,
): Promise<Response> {
  const traceId = crypto.randomUUID();
  const { pathname } = new URL(request.url);
  const there = routes.filter(({ pattern }) => pattern.test(pathname));
  const method = request.method === "HEAD" ? "GET" : request.method;
  const route = there.find((each) => each.method === method);
  if (route === undefined && there.length > 0) {
    const allow = there.map((each) => each.method).join(", ");
    return new Response(null, { status: 405, headers: { allow } });
  }
  try {
    if (route === undefined) throw new NotFound(`nothing answers ${method} ${pathname}`);
    const params = Object.entries(route.pattern.exec(pathname)?.groups ?? {});
    const decoded = params.map(([name, value]) => [name, decodeURIComponent(value)] as const);
    const copy = request.clone();
    const wire: WireContext = {
      trigger: route.kind,
      index: route.index,
      trace_id: traceId,
      invocation_id: traceId,
      auth: sessions.identityOf(request),
      org: null,
      guards: 0,
      ...(await inputFrom(route, request as Request, Object.fromEntries(decoded))),
    };
    const handler = app.handlers[route.handler.name];
    if (handler === undefined) throw new NotFound(`there is no action ${route.handler.name}`);
    return sessions.settle(request, await handler(withContext(copy as Request, wire)));
  } catch (error) {
    return failure(undefined, error, traceId);
  }
}

function withContext(request: Request, wire: WireContext): Request {
  const headers = new Headers(request.headers);
  headers.set(CONTEXT_HEADER, ascii(JSON.stringify(wire)));
  return new Request(request, { headers });
}

/** Who is signed in, by what the cookie says. */
class Sessions {
  readonly #cookie: string;
  readonly #payloads = new Map<string, SessionPayload>();

  readonly #otherwise: Identity | undefined;

  constructor(cookie = "bunbase_session", otherwise?: Identity) {
    this.#cookie = cookie;
    this.#otherwise = otherwise;
  }

  identityOf(request: Request): WireAuth | null {
    const sessionId = this.#idOf(request);
    const payload = this.#payloads.get(sessionId);
    if (payload === undefined) return (this.#otherwise ?? null) as WireAuth | null;
    const { userId, role, orgId } = payload;
    return {
      userId,
      sessionId,
      kind: "session",
      ...(role === undefined ? {} : { role }),
      ...(orgId === undefined ? {} : { orgId }),
    };
  }

  /** Does with the session what the action wanted. */
  settle(request: Request, response: Response): Response {
    const wanted = response.headers.get(SESSION_HEADER);
    const headers = new Headers(response.headers);
    headers.delete(SESSION_HEADER);
    headers.delete("x-bunbase-retry");
    for (const operation of JSON.parse(wanted ?? "[]") as SessionOperation[]) {
      this.#payloads.delete(this.#idOf(request));
      if (operation.op === "destroy") {
        headers.append("set-cookie", setCookie(this.#cookie, "", { maxAge: 0 }));
        continue;
      }
      const id = crypto.randomUUID();
      this.#payloads.set(id, operation.payload);
      headers.append("set-cookie", setCookie(this.#cookie, id));
    }
    const { status } = response;
    return new Response(request.method === "HEAD" ? null : response.body, { status, headers });
  }

  #idOf(request: Request): string {
    return new Bun.CookieMap(request.headers.get("cookie") ?? "").get(this.#cookie) ?? "";
  }
}
