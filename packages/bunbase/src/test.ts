/** `bunbase/test`: actions without a server. */

import type { AnyAction } from "./action.ts";
import { channelExecutor, createDB, type DatabaseClient } from "./db.ts";
import { ActionValidationError, BunbaseError } from "./errors.ts";
import type { Identity } from "./iam/auth-context.ts";
import { Logger } from "./logger.ts";
import { Context, type Surroundings } from "./runtime/context.ts";
import { type Runnable, runInside, runnableOf } from "./runtime/run.ts";
import type { WireContext } from "./runtime/wire.ts";
import type { ActionLogger, OrgContext, TriggerType } from "./types.ts";

export interface TestOptions {
  /** Who calls; nobody where absent. Built-in guards are not asked: what they would find is given here. */
  auth?: Identity;
  org?: OrgContext;
  db?: DatabaseClient;
  logger?: ActionLogger;
  request?: Request;
  headers?: Record<string, string>;
  triggerType?: TriggerType;
  /** Actions that this one may call. */
  actions?: readonly AnyAction[];
}

export interface TestResult<T = unknown> {
  success: boolean;
  data?: T;
  /** Its message. */
  error?: string;
  errorObject?: unknown;
  /** One for each action that ran, the called ones first. */
  runs: { action: string; success: boolean }[];
}

/** Runs an action as it is: its own guards that are functions, its schemas, its retries. */
export async function testAction<T = unknown>(
  definition: AnyAction,
  input: unknown,
  options: TestOptions = {},
): Promise<TestResult<T>> {
  const runs: TestResult["runs"] = [];
  const known = [definition, ...(options.actions ?? [])].map(alone);
  const byName = new Map(known.map((each) => [each.registered.name, each]));
  const db = options.db ?? createDB(channelExecutor());
  const run = async (runnable: Runnable, ctx: Context, value: unknown): Promise<unknown> => {
    const action = runnable.registered.name;
    try {
      const data = await runInside(runnable, ctx, value);
      runs.push({ action, success: true });
      return data;
    } catch (error) {
      runs.push({ action, success: false });
      throw error;
    }
  };
  const surroundings: Surroundings = {
    db: () => db,
    logger: () => options.logger ?? new Logger({ level: "error" }),
    call(from, name, value) {
      const wanted = byName.get(name);
      if (wanted === undefined)
        throw new Error(`testAction: name the action "${name}" in \`actions\``);
      const path = [...from.path, from.registered.name];
      const ctx = new Context(surroundings, wanted.registered, { ...from, path });
      ctx.auth = from.auth;
      return run(wanted, ctx, value);
    },
  };
  const [first] = known as [Runnable];
  const ctx = new Context(surroundings, first.registered, surrounded(options));
  try {
    return { success: true, data: (await run(first, ctx, input)) as T, runs };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { success: false, error: message, errorObject: error, runs };
  }
}

/** Guards that the server decides have no server here. */
function alone(action: AnyAction): Runnable {
  const { guards, name } = action.config;
  const list = guards === undefined ? [] : Array.isArray(guards) ? guards : [guards];
  const own = list.filter((guard) => typeof guard === "function");
  const { config } = action;
  return runnableOf({ name, file: "a test", action, config, module: undefined, guards: own });
}

function surrounded(options: TestOptions): { wire: WireContext; request: Request } {
  const { auth, org, headers = {}, triggerType = "call" } = options;
  const request = options.request ?? new Request("http://localhost/", { method: "POST", headers });
  const wire = {
    trigger: triggerType,
    index: 0,
    trace_id: crypto.randomUUID(),
    invocation_id: "test",
    auth: auth ?? null,
    org: org ?? null,
    guards: 0,
  } as WireContext;
  return { wire, request };
}

export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** The actions of a map from paths, over HTTP: `POST /<name>` with the input as JSON. */
export function createTestServer(
  actions: readonly AnyAction[],
  options: TestOptions = {},
): TestServer {
  const byName = new Map(actions.map((each) => [each.config.name, each]));
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const found = byName.get(new URL(request.url).pathname.slice(1));
      if (found === undefined)
        return Response.json({ error: { code: "not_found" } }, { status: 404 });
      const input = await request.json().catch(() => ({}));
      const done = await testAction(found, input, { ...options, request, actions });
      if (done.success) return Response.json({ data: done.data });
      const { errorObject } = done;
      const known = errorObject instanceof BunbaseError ? errorObject : undefined;
      const details = errorObject instanceof ActionValidationError ? errorObject.errors : undefined;
      const error = { code: known?.code ?? "handler_error", message: done.error, details };
      return Response.json({ error }, { status: known?.statusCode ?? 500 });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    stop: () => server.stop(true),
  };
}

export interface TestClient {
  call<T = unknown>(action: string, input?: unknown): Promise<T>;
}

/** Calls actions of a test server; throws what they answer with as an error. */
export function createTestClient({ url }: { url: string }): TestClient {
  return {
    async call(action, input = {}) {
      const init = { method: "POST", body: JSON.stringify(input) };
      const answer = await fetch(`${url}/${action}`, init);
      const body = (await answer.json()) as { data: never; error?: { message: string } };
      if (body.error !== undefined) throw new BunbaseError(body.error.message, answer.status);
      return body.data;
    },
  };
}

const UNDO = Symbol("undo");

/** Runs `fn` in a transaction that is taken back afterwards, whatever it gave. */
export async function withTestTransaction<T>(
  db: DatabaseClient,
  fn: (tx: DatabaseClient) => Promise<T>,
): Promise<T> {
  let value: T | undefined;
  const undone = db.transaction(async (tx) => {
    value = await fn(tx);
    throw UNDO;
  });
  await undone.catch((error: unknown) => {
    if (error !== UNDO) throw error;
  });
  return value as T;
}
