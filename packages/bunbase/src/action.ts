/** Actions and modules: definitions only, nothing happens here. */

import type { StaticDecode, TObject, TSchema } from "@sinclair/typebox";
import type { Guard } from "./guards.ts";
import { mappingOf } from "./http.ts";
import type { Trigger } from "./triggers.ts";
import type { ActionContext, HandlerResult } from "./types.ts";

export interface RetryConfig {
  /** Attempts in all; 1 where absent. */
  maxAttempts?: number;
  /** `exponential` where absent. */
  backoff?: "exponential" | "fixed";
  /** 1,000 where absent. */
  backoffMs?: number;
  /** 30,000 where absent. */
  maxBackoffMs?: number;
  /** Asked besides what is known of the error. */
  retryIf?: (error: unknown) => boolean;
}

export interface ActionConfig<I extends TSchema, O extends TSchema> {
  /** Unique in its module, or in the application where it stands alone. */
  name: string;
  description?: string;
  input: I;
  output: O;
  triggers?: readonly Trigger[];
  guards?: readonly Guard[] | Guard;
  retry?: RetryConfig;
}

export type ActionHandler<I extends TSchema, O extends TSchema> = (
  input: StaticDecode<I>,
  ctx: ActionContext,
) => HandlerResult<StaticDecode<O>>;

const BRAND = Symbol.for("bunbase.definition");

export interface ActionDefinition<I extends TSchema = TSchema, O extends TSchema = TSchema> {
  readonly [BRAND]: "action";
  readonly config: ActionConfig<I, O>;
  readonly handler: ActionHandler<I, O>;
}

/** An action whose types nobody asks for. */
// biome-ignore lint/suspicious/noExplicitAny: a handler takes what its schema says, which differs
export type AnyAction = ActionDefinition<any, any>;

export interface ModuleConfig {
  name: string;
  description?: string;
  /** Stands before the paths of its actions and webhooks. */
  apiPrefix?: string;
  /** Before those of each action. */
  guards?: readonly Guard[] | Guard;
  actions: readonly AnyAction[];
}

export interface ModuleDefinition {
  readonly [BRAND]: "module";
  readonly config: ModuleConfig;
}

/** Defines an action: what goes in, what comes out, what starts it, who may, and what happens. */
export function action<I extends TSchema, O extends TSchema>(
  config: ActionConfig<I, O>,
  handler: ActionHandler<I, O>,
): ActionDefinition<I, O> {
  if (typeof config?.name !== "string" || config.name === "")
    throw new TypeError("action: `name` is missing");
  if (typeof handler !== "function")
    throw new TypeError(`action ${config.name}: the second argument has to be its handler`);
  for (const place of ["input", "output"] as const) {
    if (typeof config[place] !== "object" || config[place] === null)
      throw new TypeError(
        `action ${config.name}: \`${place}\` has to be a schema, as t.Object({})`,
      );
  }
  for (const [name, schema] of Object.entries(propertiesOf(config.output))) {
    const place = mappingOf(schema)?.in;
    if (place === "query" || place === "path")
      throw new TypeError(`action ${config.name}: output.${name} cannot stand in the ${place}`);
  }
  return { [BRAND]: "action", config, handler };
}

/** Joins actions under a name, with what holds for all of them. */
export function module(config: ModuleConfig): ModuleDefinition {
  if (typeof config?.name !== "string" || config.name === "")
    throw new TypeError("module: `name` is missing");
  if (!Array.isArray(config.actions) || !config.actions.every(isAction))
    throw new TypeError(`module ${config.name}: \`actions\` has to be a list of actions`);
  return { [BRAND]: "module", config };
}

export function isAction(value: unknown): value is AnyAction {
  return brandOf(value) === "action";
}

export function isModule(value: unknown): value is ModuleDefinition {
  return brandOf(value) === "module";
}

function brandOf(value: unknown): unknown {
  return typeof value === "object" && value !== null
    ? (value as { [BRAND]?: unknown })[BRAND]
    : undefined;
}

/** The fields of an object schema; none of another. */
export function propertiesOf(schema: TSchema): Record<string, TSchema> {
  return (schema as Partial<TObject>).properties ?? {};
}
