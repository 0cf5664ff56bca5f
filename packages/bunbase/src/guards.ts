/**
 * Who may start an action. What is built in is decided by the server, before any code of the application runs; from the
 * first function of the application on, guards run here in their order.
 */

import type { ActionContext, MaybePromise } from "./types.ts";

/** A guard of the application: it throws where it says no. */
export type GuardFunction = (ctx: ActionContext) => MaybePromise<void>;

/** One that the server knows. */
export interface BuiltInGuard {
  readonly guard:
    | "authenticated"
    | "hasRole"
    | "hasPermission"
    | "rateLimit"
    | "inOrg"
    | "hasFeature"
    | "trialActiveOrPaid";
  readonly options?: Readonly<Record<string, unknown>>;
  /** `rateLimit`: what calls are counted by. */
  readonly key?: (ctx: ActionContext) => MaybePromise<string>;
}

export interface GuardGroup {
  readonly mode: "sequential" | "parallel";
  readonly guards: readonly Guard[];
}

export type Guard = GuardFunction | BuiltInGuard | GuardGroup;

export interface RateLimitOptions {
  /** Calls in a window. */
  limit: number;
  windowMs: number;
  /** By the user, the key or the address where absent. */
  key?: (ctx: ActionContext) => MaybePromise<string>;
}

export const guards = {
  /** Somebody is signed in. */
  authenticated: (): BuiltInGuard => ({ guard: "authenticated" }),
  /** With this role, in the application or in the organisation. */
  hasRole: (role: string): BuiltInGuard => ({ guard: "hasRole", options: { role } }),
  /** With this permission: `<feature>:<action>`. */
  hasPermission: (permission: string): BuiltInGuard => ({
    guard: "hasPermission",
    options: { permission },
  }),
  rateLimit: ({ limit, windowMs, key }: RateLimitOptions): BuiltInGuard => ({
    guard: "rateLimit",
    options: { limit, windowMs, ...(key === undefined ? {} : { key: "custom" }) },
    ...(key === undefined ? {} : { key }),
  }),
  /** A member of the organisation that `x-org-id` or `?orgId=` names; it is `ctx.org` then. */
  inOrg: (): BuiltInGuard => ({ guard: "inOrg" }),
  /** Behind `inOrg`: its plan has the feature. */
  hasFeature: (feature: string): BuiltInGuard => ({ guard: "hasFeature", options: { feature } }),
  /** Behind `inOrg`: its plan is paid, or its trial goes on. */
  trialActiveOrPaid: (): BuiltInGuard => ({ guard: "trialActiveOrPaid" }),
  /** One after the other. */
  sequential: (list: readonly Guard[]): GuardGroup => ({ mode: "sequential", guards: list }),
  /** All at once; the first that says no decides. */
  parallel: (list: readonly Guard[]): GuardGroup => ({ mode: "parallel", guards: list }),
};

export const { sequential, parallel } = guards;

export function isBuiltIn(guard: Guard): guard is BuiltInGuard {
  return typeof guard === "object" && "guard" in guard;
}

export function isGroup(guard: Guard): guard is GuardGroup {
  return typeof guard === "object" && "mode" in guard;
}

/** As the manifest has it. */
export function guardManifest(guard: Guard): Record<string, unknown> {
  if (typeof guard === "function") return { name: "custom" };
  if (isGroup(guard))
    return { name: guard.mode, options: { guards: guard.guards.map(guardManifest) } };
  // Calls that are counted by a key of the application are counted once it is known.
  const { options } = guard;
  return options === undefined ? { name: guard.guard } : { name: guard.guard, options };
}
