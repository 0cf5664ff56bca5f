// The guards that a server decides, decided here: for tests that have none.

import { GuardError } from "../errors.ts";
import type { BuiltInGuard, RateLimitOptions } from "../guards.ts";
import { membershipRoleKey } from "../iam/permissions.ts";
import type { Context } from "../runtime/context.ts";
import { OrgManager } from "../saas/organizations.ts";
import { SubscriptionManager } from "../saas/subscriptions.ts";
import type { OrgContext } from "../types.ts";

/** Decides; limits are counted for as long as what it gives is kept. */
export function localGuards(): (guard: BuiltInGuard, ctx: Context) => Promise<void> {
  const windows = new Map<string, Window>();
  return async (guard, ctx) => {
    const options = guard.options ?? {};
    switch (guard.guard) {
      case "authenticated":
        signedIn(ctx);
        return;
      case "hasRole":
        return hasRole(ctx, String(options.role));
      case "hasPermission":
        return hasPermission(ctx, String(options.permission));
      case "rateLimit":
        return rateLimit(guard, ctx, windows);
      case "inOrg":
        return inOrg(ctx);
      case "hasFeature":
        return hasFeature(organization(ctx, guard), String(options.feature));
      case "trialActiveOrPaid":
        if (organization(ctx, guard).plan === "free")
          throw new GuardError("upgrade required: there is no paid plan, and no trial");
    }
  };
}

function signedIn(ctx: Context): string {
  const { userId } = ctx.auth;
  if (userId === undefined) throw new GuardError("sign in first", 401);
  return userId;
}

function hasRole(ctx: Context, wanted: string): void {
  signedIn(ctx);
  const { role } = ctx.auth;
  const inOrg = role !== undefined && ctx.org !== undefined ? membershipRoleKey(role) : role;
  if (role !== wanted && inOrg !== wanted) throw new GuardError(`the role ${wanted} is needed`);
}

async function hasPermission(ctx: Context, wanted: string): Promise<void> {
  signedIn(ctx);
  const { allowed } = await ctx.auth.can(wanted);
  if (!allowed) throw new GuardError(`the permission ${wanted} is needed`);
}

interface Window {
  count: number;
  /** Milliseconds since the epoch. */
  end: number;
}

async function rateLimit(
  { options, key }: BuiltInGuard,
  ctx: Context,
  windows: Map<string, Window>,
): Promise<void> {
  const { limit, windowMs } = options as unknown as RateLimitOptions;
  const subject = key === undefined ? (ctx.auth.userId ?? "") : await key(ctx);
  const place = JSON.stringify([ctx.registered.name, limit, windowMs, subject]);
  const now = Date.now();
  const known = windows.get(place);
  const window = known !== undefined && known.end > now ? known : { count: 0, end: now + windowMs };
  window.count += 1;
  windows.set(place, window);
  if (window.count <= limit) return;
  ctx.response.headers.set("retry-after", String(Math.ceil((window.end - now) / 1000)));
  throw new GuardError("too many requests; try again later", 429);
}

/** One that the test gave is taken as it is. */
async function inOrg(ctx: Context): Promise<void> {
  const userId = signedIn(ctx);
  if (ctx.org !== undefined) return;
  const orgId =
    ctx.headers.get("x-org-id") ??
    new URL(ctx.request.url).searchParams.get("orgId") ??
    ctx.auth.orgId;
  if (orgId === undefined)
    throw new GuardError("name the organisation with the header `x-org-id` or `?orgId=`", 400);
  ctx.org = await memberOf(ctx, orgId, userId);
  Object.assign(ctx.auth, { orgId, role: ctx.org.role });
}

async function memberOf(ctx: Context, orgId: string, userId: string): Promise<OrgContext> {
  const orgs = new OrgManager(ctx.db);
  const found = await orgs.getById(orgId);
  if (found === null) throw new GuardError("there is no such organisation", 404);
  const role = await orgs.getMemberRole(orgId, userId);
  if (role === null) throw new GuardError("you are not a member of this organisation");
  const { id, slug, name } = found;
  const { plan, features } = await new SubscriptionManager(ctx.db).entitlements(orgId);
  return { id, slug, name, plan, features, memberCount: await orgs.getMemberCount(orgId), role };
}

function organization({ org }: Context, { guard }: BuiltInGuard): OrgContext {
  if (org === undefined)
    throw new GuardError(`the guard ${guard} needs inOrg in front of it`, 500, "handler_error");
  return org;
}

function hasFeature({ plan, features }: OrgContext, wanted: string): void {
  if (!features.includes(wanted))
    throw new GuardError(`upgrade required: the plan ${plan} has no ${wanted}`);
}
