/** What organisations have paid for: plans, their features, and subscriptions. Knows no payment provider. */

import type { HasExecutor } from "../db/client.ts";
import { isForeignKeyViolation } from "../db/error.ts";
import type { BaseDatabase } from "../db/framework-tables.ts";
import { NotFound } from "../errors.ts";
import { type FrameworkClient, found, framework, newId } from "../iam/database.ts";

export type Plan = BaseDatabase["plans"]["Row"];
export type SubscriptionStatus = "active" | "trialing" | "past_due" | "canceled" | "expired";
export type Subscription = Omit<BaseDatabase["subscriptions"]["Row"], "status"> & {
  status: SubscriptionStatus;
};

export interface Entitlements {
  /** The plan that counts now: `free` without a subscription that is active or in its trial. */
  plan: string;
  /** Keys of the features of that plan. */
  features: string[];
  /** Of the last subscription, with `expired` for a trial that is over; `none` where there was never one. */
  state: SubscriptionStatus | "none";
  trialActiveOrPaid: boolean;
  trialEndsAt: number | null;
}

export interface SubscriptionChange {
  status?: SubscriptionStatus;
  plan_key?: string;
  /** Milliseconds since the epoch, like the other. */
  current_period_end?: number;
  trial_ends_at?: number | null;
}

const FREE = "free";
const DAY_MS = 86_400_000;
const PERIOD_DAYS = 30;
/** At most one subscription of an organisation is in one of these. */
const RUNNING = ["active", "trialing", "past_due"];

export class SubscriptionManager {
  readonly #db: FrameworkClient;

  constructor(db: HasExecutor) {
    this.#db = framework(db);
  }

  /** The last subscription: the one that runs, where one does. */
  async get(orgId: string): Promise<Subscription | null> {
    const rows = await this.#db
      .from("subscriptions")
      .eq("org_id", orgId)
      .orderBy("created_at", "DESC")
      .orderBy("id", "DESC")
      .limit(1);
    return (rows[0] as Subscription | undefined) ?? null;
  }

  /** Active for 30 days, or a trial of `trialDays`. Takes the place of one that runs. */
  async create(
    orgId: string,
    planKey: string,
    { trialDays }: { trialDays?: number } = {},
  ): Promise<Subscription> {
    const now = Date.now();
    const end = now + (trialDays ?? PERIOD_DAYS) * DAY_MS;
    const trial = trialDays === undefined ? null : end;
    const row = {
      id: newId(),
      org_id: orgId,
      plan_key: planKey,
      status: trial === null ? "active" : "trialing",
      trial_ends_at: trial,
      current_period_end: end,
      created_at: now,
      updated_at: now,
    };
    const work = this.#db.transaction(async (tx) => {
      await new SubscriptionManager(tx).cancel(orgId);
      return tx.from("subscriptions").insert(row).single();
    });
    return (await unlessUnknown(work)) as Subscription;
  }

  /** Ends the subscription that runs, and gives it back; null without one. */
  async cancel(orgId: string): Promise<Subscription | null> {
    const update = { status: "canceled", updated_at: Date.now() };
    const running = this.#db.from("subscriptions").update(update).eq("org_id", orgId);
    return (await running.in("status", RUNNING).maybeSingle()) as Subscription | null;
  }

  /** What a payment provider reports of the last subscription. */
  async update(orgId: string, change: SubscriptionChange): Promise<Subscription> {
    const { id } = found(await this.get(orgId), "subscription");
    const { status, plan_key, current_period_end, trial_ends_at } = change;
    const values = { status, plan_key, current_period_end, trial_ends_at };
    const given = Object.entries(values).filter(([, value]) => value !== undefined);
    const update = { ...Object.fromEntries(given), updated_at: Date.now() };
    const work = this.#db.from("subscriptions").update(update).eq("id", id).single();
    return (await unlessUnknown(work)) as Subscription;
  }

  /** The cheapest first. */
  getPlans(): Promise<Plan[]> {
    return this.#db.from("plans").orderBy("price_cents").orderBy("key").exec();
  }

  /** Keys of the features of a plan. */
  async getPlanFeatures(planKey: string): Promise<string[]> {
    const rows = await this.#db
      .from("features")
      .innerJoin("plan_features", "features.id", "plan_features.feature_id")
      .innerJoin("plans", "plan_features.plan_id", "plans.id")
      .select("features.key")
      .eq("plans.key", planKey)
      .orderBy("key");
    return rows.map(({ key }) => key);
  }

  /** What the organisation has at this moment. */
  async entitlements(orgId: string): Promise<Entitlements> {
    const subscription = await this.get(orgId);
    const state = stateOf(subscription, Date.now());
    const counts = state === "active" || state === "trialing";
    const plan = counts && subscription !== null ? subscription.plan_key : FREE;
    return {
      plan,
      features: await this.getPlanFeatures(plan),
      state,
      trialActiveOrPaid: plan !== FREE,
      trialEndsAt: subscription?.trial_ends_at ?? null,
    };
  }

  async hasFeature(orgId: string, feature: string): Promise<boolean> {
    return (await this.entitlements(orgId)).features.includes(feature);
  }

  /** Whether the organisation has a plan other than `free`, or is in a trial that is not over. */
  async trialActiveOrPaid(orgId: string): Promise<boolean> {
    return (await this.entitlements(orgId)).trialActiveOrPaid;
  }
}

function stateOf(subscription: Subscription | null, now: number): Entitlements["state"] {
  if (subscription === null) return "none";
  const { status, trial_ends_at } = subscription;
  const over = status === "trialing" && (trial_ends_at ?? 0) <= now;
  return over ? "expired" : status;
}

async function unlessUnknown<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!isForeignKeyViolation(cause)) throw cause;
    throw new NotFound("no such plan or organization");
  }
}
