/** One action, run in a test without a server. */

import type { StaticEncode, TSchema } from "@sinclair/typebox";
import type { ActionDefinition, AnyAction, ModuleDefinition } from "../action.ts";
import type { Identity } from "../iam/auth-context.ts";
import { Context } from "../runtime/context.ts";
import { register } from "../runtime/registry.ts";
import { runInside, runnableOf } from "../runtime/run.ts";
import { surroundingsOf } from "../runtime/surroundings.ts";
import type { WireContext } from "../runtime/wire.ts";
import type { OrgContext, TriggerType } from "../types.ts";
import { filesOf, reachOfTest, type TestReach } from "./reach.ts";

export interface TestActionOptions extends TestReach {
  /** Who calls; nobody where absent. */
  auth?: Identity | null;
  /** What `guards.inOrg()` would find. */
  org?: OrgContext;
  /** `ctx.request`; an empty `POST` where absent. */
  request?: Request;
  /** Beside those of `request`. */
  headers?: Record<string, string>;
  /** `api` where absent. */
  triggerType?: TriggerType;
  /** What `ctx.action` finds besides the action itself. */
  actions?: readonly (AnyAction | ModuleDefinition)[];
}

/** One run as the history has it. */
export interface TestRun {
  id: string;
  action_name: string;
  trace_id: string;
  trigger_type: TriggerType;
  status: "success" | "error";
  input: unknown;
  output: unknown;
  error: string | null;
  error_stack: string | null;
  duration_ms: number;
  /** Milliseconds since the epoch. */
  started_at: number;
  /** The last one. */
  attempt: number;
  max_attempts: number;
}

export type TestResult<T> =
  | { success: true; data: T; error: undefined; errorObject: undefined; runs: TestRun[] }
  | { success: false; data: undefined; error: string; errorObject: unknown; runs: TestRun[] };

/** Guards, input, handler with its retries, output: as in an application, but nothing is thrown. */
export async function testAction<I extends TSchema, O extends TSchema>(
  definition: ActionDefinition<I, O>,
  input: StaticEncode<I>,
  options: TestActionOptions = {},
): Promise<TestResult<StaticEncode<O>>> {
  const { modules, actions } = filesOf([definition, ...(options.actions ?? [])]);
  const runnables = register([], actions).concat(register(modules, [])).map(runnableOf);
  const tested = runnables[0];
  if (tested === undefined) throw new TypeError("testAction: the first argument is no action");
  const ctx = new Context(surroundingsOf(runnables, reachOfTest(options)), tested.registered, {
    wire: wireOf(options),
    request: requestOf(options),
  });
  const startedAt = Date.now();
  const ended = (result: Partial<TestRun>) => [runOf(ctx, input, startedAt, result)];
  try {
    const data = (await runInside(tested, ctx, input)) as StaticEncode<O>;
    const runs = ended({ status: "success", output: data });
    return { success: true, data, error: undefined, errorObject: undefined, runs };
  } catch (errorObject) {
    const error = errorObject instanceof Error ? errorObject.message : String(errorObject);
    const stack = errorObject instanceof Error ? (errorObject.stack ?? null) : null;
    const runs = ended({ status: "error", error, error_stack: stack });
    return { success: false, data: undefined, error, errorObject, runs };
  }
}

function wireOf({ auth = null, org, db, triggerType = "api" }: TestActionOptions): WireContext {
  // Without a database there is nothing to look permissions up in.
  const known = db === undefined && auth !== null ? { permissions: [], ...auth } : auth;
  return {
    trigger: triggerType,
    index: 0,
    trace_id: crypto.randomUUID(),
    invocation_id: crypto.randomUUID(),
    auth: known as WireContext["auth"],
    org: org ?? null,
    guards: 0,
  };
}

function requestOf({ request, headers = {} }: TestActionOptions): Request {
  const made = request ?? new Request("http://test.local/", { method: "POST" });
  const all = new Headers(made.headers);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return new Request(made, { headers: all });
}

function runOf(ctx: Context, input: unknown, startedAt: number, ended: Partial<TestRun>): TestRun {
  return {
    id: ctx.wire.invocation_id,
    action_name: ctx.registered.name,
    trace_id: ctx.traceId,
    trigger_type: ctx.trigger,
    status: "error",
    input,
    output: null,
    error: null,
    error_stack: null,
    duration_ms: Date.now() - startedAt,
    started_at: startedAt,
    attempt: ctx.attempt,
    max_attempts: ctx.retry.maxAttempts,
    ...ended,
  };
}
