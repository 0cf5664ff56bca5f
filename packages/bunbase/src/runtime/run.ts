// One execution: guards that are left, input, handler with its retries, output.

import { Value } from "@sinclair/typebox/value";
import type { RetryConfig } from "../action.ts";
import {
  type BunbaseError,
  CircularDependencyError,
  GuardError,
  isRetryable,
  NotFound,
} from "../errors.ts";
import { type BuiltInGuard, type Guard, type GuardGroup, isBuiltIn } from "../guards.ts";
import type { Context } from "./context.ts";
import { inputOf } from "./input.ts";
import {
  answer,
  complete,
  failure,
  type OutputField,
  outcomeOf,
  outputFields,
  ready,
} from "./output.ts";
import type { Registered } from "./registry.ts";
import { compile, decode, type Schema } from "./schema.ts";
import { ask, type WireAuth, type WireOrg } from "./wire.ts";

const DEPTH_MAX = 50;

/** An action with what is needed to run it. */
export interface Runnable {
  readonly registered: Registered;
  readonly input: Schema;
  readonly output: Schema;
  readonly fields: readonly OutputField[];
}

/** Compiles what an action needs. */
export function runnableOf(registered: Registered): Runnable {
  const { input, output } = registered.config;
  const compiled = compile(output);
  return { registered, input: compile(input), output: compiled, fields: outputFields(compiled) };
}

/** Runs an action for a request. */
export async function respond(runnable: Runnable, ctx: Context): Promise<Response> {
  try {
    const { guards } = runnable.registered;
    const decided = ctx.wire.guards;
    if (decided < guards.length)
      await runGuards(guards.slice(decided), ctx, ctx.surroundings.guardMode);
    const input = inputOf(ctx, runnable.input);
    const handled = handle(runnable, ctx, input instanceof Promise ? await input : input);
    const result = isThere(handled) ? Bun.peek(handled) : await handled;
    const whole = ready(result);
    if (whole !== undefined) return complete(ctx, whole);
    return answer(ctx, outcomeOf(result, runnable.output), runnable.fields);
  } catch (error) {
    return failure(ctx, error, ctx.traceId);
  }
}

/** A promise of a handler that awaited nothing: its value need not take a turn of the queue. */
function isThere(handled: unknown): boolean {
  return handled instanceof Promise && Bun.peek.status(handled) === "fulfilled";
}

/** Runs an action for another one, and gives its data. */
export async function runInside(
  runnable: Runnable,
  ctx: Context,
  input: unknown,
): Promise<unknown> {
  const { name, guards } = runnable.registered;
  if (ctx.path.includes(name) || ctx.path.length >= DEPTH_MAX)
    throw new CircularDependencyError(name, ctx.path);
  await runGuards(guards, ctx, ctx.surroundings.guardMode);
  // Defaults are filled into a copy: the caller keeps its object as it is.
  const own = runnable.input.hasDefaults ? Value.Clone(input) : input;
  const result = await handle(runnable, ctx, decode(runnable.input, own));
  return ready(result) ?? outcomeOf(result, runnable.output).data;
}

/** The handler, as often as it may be tried. */
function handle({ registered }: Runnable, ctx: Context, input: unknown): unknown {
  const { retry } = registered.config;
  const once = (): unknown => registered.action.handler(input, ctx);
  return retry === undefined ? once() : again(once, ctx, retry);
}

async function again(once: () => unknown, ctx: Context, retry: RetryConfig): Promise<unknown> {
  const { maxAttempts = 1, retryIf } = retry;
  for (;;) {
    try {
      return await once();
    } catch (error) {
      const isOver = ctx.attempt >= maxAttempts || ctx.signal.aborted;
      if (isOver || !isRetryable(error) || retryIf?.(error) === false) throw error;
      await pause(delayOf(ctx.attempt, retry), ctx.signal);
      ctx.attempt += 1;
    }
  }
}

/** Half of it is chance, so that those who failed together do not come back together. */
function delayOf(attempt: number, retry: RetryConfig): number {
  const { backoff = "exponential", backoffMs = 1000, maxBackoffMs = 30_000 } = retry;
  const full = backoff === "fixed" ? backoffMs : backoffMs * 2 ** (attempt - 1);
  return Math.min(full, maxBackoffMs) * (0.5 + Math.random() / 2);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

async function runGuards(
  guards: readonly Guard[],
  ctx: Context,
  mode: GuardGroup["mode"],
): Promise<void> {
  if (mode === "parallel") await Promise.all(guards.map((each) => runGuard(each, ctx)));
  else for (const guard of guards) await runGuard(guard, ctx);
}

async function runGuard(guard: Guard, ctx: Context): Promise<void> {
  if (typeof guard === "function") return guard(ctx);
  if (isBuiltIn(guard)) return ctx.surroundings.decide(guard, ctx);
  await runGuards(guard.guards, ctx, guard.mode);
}

interface WireError {
  code: string;
  message: string;
  details?: unknown;
}

interface Decision {
  auth: WireAuth | null;
  org: WireOrg | null;
  /** For the answer: how much is left of a rate limit. */
  headers?: Record<string, string>;
  error?: WireError;
}

/** Headers of a refusal that say when to come again, and how to sign in. */
const FOR_CALLERS = /^(retry-after|ratelimit-.*|www-authenticate)$/;

/** What is built in is decided by the server, with what the guards before have left. */
export async function askServer(guard: BuiltInGuard, ctx: Context): Promise<void> {
  const key = guard.key === undefined ? undefined : await guard.key(ctx);
  const { headers, url } = ctx.request;
  const orgId = headers.get("x-org-id");
  const before = { auth: identityOf(ctx), org: ctx.org ?? null };
  const answered = await ask("/v1/app/guard", {
    handler: ctx.registered.name,
    guard: {
      name: guard.guard,
      options: { ...guard.options, ...(key === undefined ? {} : { key }) },
    },
    context: { ...before, ip: ctx.wire.ip ?? null },
    request: {
      headers: orgId === null ? {} : { "x-org-id": orgId },
      query: new URL(url).search.slice(1),
    },
  });
  const body = (await answered.json()) as Decision;
  if (body.error !== undefined) {
    for (const [name, value] of answered.headers)
      if (FOR_CALLERS.test(name)) ctx.response.headers.set(name, value);
    throw refusal(body.error, answered.status);
  }
  take(ctx, before, body);
  for (const [name, value] of Object.entries(body.headers ?? {}))
    ctx.response.headers.set(name, value);
}

/** Only what the guard changed: others may have run beside it. */
function take(ctx: Context, before: Pick<Decision, "auth" | "org">, after: Decision): void {
  for (const name of ["userId", "orgId", "role", "permissions"] as const) {
    const value = after.auth?.[name];
    if (!Bun.deepEquals(value, before.auth?.[name])) Object.assign(ctx.auth, { [name]: value });
  }
  if (!Bun.deepEquals(after.org, before.org)) ctx.org = after.org ?? undefined;
}

function refusal({ code, message, details }: WireError, status: number): GuardError {
  const error = new GuardError(message, status, code);
  error.details = details;
  return error;
}

function identityOf({ auth, wire }: Context): WireAuth | null {
  const { userId, sessionId, orgId, role, permissions, kind } = auth;
  if (userId === undefined) return null;
  const { keyId, scopes } = wire.auth ?? {};
  return { userId, sessionId, orgId, role, permissions, kind, keyId, scopes } as WireAuth;
}

/** What is thrown where an action calls one that is not there. */
export function unknownAction(name: string, known: Iterable<string>): BunbaseError {
  return new NotFound(`there is no action "${name}"; there are ${[...known].join(", ")}`);
}
