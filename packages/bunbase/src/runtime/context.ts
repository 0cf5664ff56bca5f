// `ctx`: everything is made when it is first touched, so that a call pays for what it uses.

import type { DatabaseClient } from "../db.ts";
import { InternalError } from "../errors.ts";
import type { BuiltInGuard } from "../guards.ts";
import { AuthContext, type SessionOperation } from "../iam/auth-context.ts";
import { createIAMManager, type IAMManager } from "../iam/manager.ts";
import { withMeta } from "../meta.ts";
import type {
  ActionContext,
  ActionLogger,
  ChannelAPI,
  CookieOptions,
  OrgContext,
  PushOptions,
  ResponseControl,
  TriggerType,
} from "../types.ts";
import { setCookie } from "./cookies.ts";
import type { Services } from "./ports.ts";
import type { Registered } from "./registry.ts";
import type { WireContext } from "./wire.ts";

/** What every call of an application reaches. */
export interface Reach {
  db(): DatabaseClient;
  logger(names: { action: string; module?: string; traceId: string }): ActionLogger;
  readonly services: Services;
  /** How the guards of an action that stand in no group run. */
  readonly guardMode: "sequential" | "parallel";
  /** Whether there is a secret that signs sessions. */
  readonly hasSessions: boolean;
  /** Decides what is built in; throws where it says no. */
  decide(guard: BuiltInGuard, ctx: Context): Promise<void>;
}

/** What a context reaches besides its own call. */
export interface Surroundings extends Reach {
  /** Runs another action in the course of `from`. */
  call(from: Context, name: string, input: unknown): Promise<unknown>;
}

export class Context implements ActionContext {
  readonly surroundings: Surroundings;
  readonly wire: WireContext;
  readonly registered: Registered;
  readonly request: Request;
  /** Names of the actions in whose course this one runs. */
  readonly path: readonly string[];
  attempt = 1;
  org: OrgContext | undefined;
  #auth: AuthContext | undefined;
  #iam: IAMManager | undefined;
  /** What becomes of the session. */
  readonly operations: SessionOperation[] = [];
  #logger: ActionLogger | undefined;
  #response: Answering | undefined;

  constructor(
    surroundings: Surroundings,
    registered: Registered,
    { wire, request, path = [] }: { wire: WireContext; request: Request; path?: readonly string[] },
  ) {
    this.surroundings = surroundings;
    this.registered = registered;
    this.wire = wire;
    this.request = request;
    this.path = path;
    this.org = wire.org ?? undefined;
  }

  get db(): DatabaseClient {
    return this.surroundings.db();
  }

  get auth(): AuthContext {
    this.#auth ??= new AuthContext({
      identity: this.wire.auth,
      db: () => this.db,
      onSession: (operation) => this.#settle(operation),
    });
    return this.#auth;
  }

  /** A sign-in that nobody signs would look like one, and the next call would be nobody's. */
  #settle(operation: SessionOperation): void {
    if (operation.op === "create" && !this.surroundings.hasSessions)
      throw new InternalError("sessions need `auth.sessionSecret` in the configuration");
    this.operations.push(operation);
  }

  /** Shares who is signed in with the action that called this one. */
  set auth(auth: AuthContext) {
    this.#auth = auth;
  }

  get iam(): IAMManager {
    this.#iam ??= createIAMManager(this.db);
    return this.#iam;
  }

  get logger(): ActionLogger {
    const { name, module } = this.registered;
    this.#logger ??= this.surroundings.logger({
      action: name,
      traceId: this.traceId,
      ...(module === undefined ? {} : { module: module.name }),
    });
    return this.#logger;
  }

  get response(): ResponseControl {
    this.#response ??= new Answering();
    return this.#response;
  }

  get headers(): Headers {
    return this.request.headers;
  }

  get kv() {
    return this.surroundings.services.kv;
  }

  get storage() {
    return this.surroundings.services.storage;
  }

  get mailer() {
    return this.surroundings.services.mailer;
  }

  get queue() {
    return this.surroundings.services.queue;
  }

  get event() {
    return this.surroundings.services.event;
  }

  get retry() {
    return { attempt: this.attempt, maxAttempts: this.registered.config.retry?.maxAttempts ?? 1 };
  }

  get traceId(): string {
    return this.wire.trace_id;
  }

  get trigger(): TriggerType {
    return this.wire.trigger;
  }

  get module(): { name: string } | undefined {
    const { module } = this.registered;
    return module === undefined ? undefined : { name: module.name };
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  channel(name: string): ChannelAPI {
    const publish = (event: string, payload?: unknown) =>
      this.event.emit(known(`channel.${name}`), known({ event, payload: payload ?? null }));
    return { publish };
  }

  schedule(
    time: number | Date,
    name: string,
    data: unknown,
    options?: PushOptions,
  ): Promise<string> {
    const when = typeof time === "number" ? { delay: time * 1000 } : { runAt: time };
    return this.queue.push(known(name), known(data), { ...options, ...when });
  }

  action(name: string, input: unknown): Promise<never> {
    return this.surroundings.call(this, name, input) as Promise<never>;
  }

  get withMeta() {
    return withMeta;
  }

  /** What the answer has besides its body; `undefined` where nobody said anything. */
  get answering(): Answering | undefined {
    return this.#response;
  }
}

/** What an application generates names only what it knows; the runtime passes on whatever it is given. */
function known(value: unknown): never {
  return value as never;
}

class Answering implements ResponseControl {
  readonly headers = new Headers();

  setCookie(name: string, value: string, options?: CookieOptions): void {
    this.headers.append("set-cookie", setCookie(name, value, options));
  }
}
