/** Organisations and who belongs to them. Each has one owner, who is a member with the role `owner`. */

import type { HasExecutor } from "../db/client.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../db/error.ts";
import type { BaseDatabase } from "../db/framework-tables.ts";
import { BadRequest, Conflict, NotFound } from "../errors.ts";
import {
  type FrameworkClient,
  found,
  framework,
  newId,
  type Range,
  rangeOf,
} from "../iam/database.ts";

export type Organization = BaseDatabase["organizations"]["Row"];
export type Membership = BaseDatabase["org_memberships"]["Row"];

export interface Member extends Membership {
  email: string;
  name: string | null;
}

export interface Members {
  members: Member[];
  /** How many there are in all. */
  total: number;
}

const OWNER = "owner";
/** What the former owner is after a transfer. */
const FORMER_OWNER = "admin";
const SLUG = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export class OrgManager {
  readonly #db: FrameworkClient;

  constructor(db: HasExecutor) {
    this.#db = framework(db);
  }

  /** `slug` is of small letters, digits and single hyphens, and `conflict` where it is taken. */
  async create(userId: string, name: string, slug: string): Promise<Organization> {
    const row = { id: newId(), name, slug: slugOf(slug), owner_id: userId };
    return explained(
      this.#db.transaction(async (tx) => {
        const organization = await tx.from("organizations").insert(row).single();
        const member = { id: newId(), org_id: row.id, user_id: userId, role: OWNER };
        await tx.from("org_memberships").insert(member);
        return organization;
      }),
    );
  }

  getById(id: string): Promise<Organization | null> {
    return this.#db.from("organizations").eq("id", id).maybeSingle();
  }

  getBySlug(slug: string): Promise<Organization | null> {
    return this.#db.from("organizations").eq("slug", slug).maybeSingle();
  }

  /** Those that the user is a member of. */
  listForUser(userId: string): Promise<Organization[]> {
    return this.#db
      .from("organizations")
      .innerJoin("org_memberships", "organizations.id", "org_memberships.org_id")
      .select("organizations.*")
      .eq("org_memberships.user_id", userId)
      .orderBy("name")
      .orderBy("id")
      .exec();
  }

  async update(id: string, change: { name?: string; slug?: string }): Promise<Organization> {
    const slug = change.slug === undefined ? {} : { slug: slugOf(change.slug) };
    const name = change.name === undefined ? {} : { name: change.name };
    const update = { ...name, ...slug, updated_at: Date.now() };
    const work = this.#db.from("organizations").update(update).eq("id", id).maybeSingle();
    return found(await explained(work), "organization");
  }

  /** With its memberships, invitations and subscriptions. Whether it was there. */
  async delete(id: string): Promise<boolean> {
    return (await this.#db.from("organizations").delete().eq("id", id).count()) > 0;
  }

  /** Makes another member the owner; the former owner becomes an administrator. */
  async transfer(id: string, newOwnerId: string): Promise<Organization> {
    return this.#db.transaction(async (tx) => {
      const orgs = new OrgManager(tx);
      const { owner_id } = found(await orgs.getById(id), "organization");
      found(await orgs.getMembership(id, newOwnerId), "member");
      const update = { owner_id: newOwnerId, updated_at: Date.now() };
      const changed = await tx.from("organizations").update(update).eq("id", id).single();
      await orgs.#setRole(id, owner_id, FORMER_OWNER);
      await orgs.#setRole(id, newOwnerId, OWNER);
      return changed;
    });
  }

  /** `conflict` where the user is a member already. */
  async addMember(orgId: string, userId: string, role = "member"): Promise<Membership> {
    const row = { id: newId(), org_id: orgId, user_id: userId, role: otherThanOwner(role) };
    const on = { onConflict: ["org_id", "user_id"], update: [] } as const;
    const added = await explained(this.#db.from("org_memberships").upsert(row, on).exec());
    if (added !== null) return added;
    throw new Conflict("the user is a member already");
  }

  getMembership(orgId: string, userId: string): Promise<Membership | null> {
    const memberships = this.#db.from("org_memberships");
    return memberships.eq("org_id", orgId).eq("user_id", userId).maybeSingle();
  }

  async getMemberRole(orgId: string, userId: string): Promise<string | null> {
    return (await this.getMembership(orgId, userId))?.role ?? null;
  }

  getMemberCount(orgId: string): Promise<number> {
    return this.#db.from("org_memberships").eq("org_id", orgId).count();
  }

  /** In the order of joining. */
  async listMembers(orgId: string, range: Range = {}): Promise<Members> {
    const { limit, offset } = rangeOf(range);
    const members = await this.#db
      .from("org_memberships")
      .innerJoin("users", "org_memberships.user_id", "users.id")
      .select("org_memberships.*", "users.email", "users.name")
      .eq("org_id", orgId)
      .orderBy("joined_at")
      .orderBy("id")
      .limit(limit)
      .offset(offset);
    return { members, total: await this.getMemberCount(orgId) };
  }

  /** Not of the owner: see `transfer`. */
  async setMemberRole(orgId: string, userId: string, role: string): Promise<Membership> {
    otherThanOwner(role);
    await this.#notOwner(orgId, userId);
    return found(await this.#setRole(orgId, userId, role), "member");
  }

  /** Whether the user was a member. The owner cannot leave: see `transfer`. */
  async removeMember(orgId: string, userId: string): Promise<boolean> {
    await this.#notOwner(orgId, userId);
    const memberships = this.#db.from("org_memberships").delete();
    return (await memberships.eq("org_id", orgId).eq("user_id", userId).count()) > 0;
  }

  #setRole(orgId: string, userId: string, role: string): Promise<Membership | null> {
    const memberships = this.#db.from("org_memberships").update({ role });
    return memberships.eq("org_id", orgId).eq("user_id", userId).maybeSingle();
  }

  async #notOwner(orgId: string, userId: string): Promise<void> {
    const { owner_id } = found(await this.getById(orgId), "organization");
    if (owner_id !== userId) return;
    throw new Conflict("the owner stays: transfer the organization first");
  }
}

function slugOf(slug: string): string {
  if (SLUG.test(slug)) return slug;
  throw new BadRequest("a slug has small letters, digits and single hyphens");
}

function otherThanOwner(role: string): string {
  if (role !== OWNER) return role;
  throw new BadRequest("there is one owner: transfer the organization instead");
}

async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (isUniqueViolation(cause)) throw new Conflict("the slug is taken");
    if (isForeignKeyViolation(cause)) throw new NotFound("no such user or organization");
    throw cause;
  }
}
