// `ctx.auth`: who calls, and how that changes.

import { hashPassword, verifyPassword } from "../auth/password.ts";
import type { DatabaseClient } from "../db.ts";
import { isUniqueViolation } from "../db.ts";
import { Conflict, Unauthorized } from "../errors.ts";
import type { AuthContext, AuthUser, SignupInput } from "../types.ts";
import type { SessionOperation, WireAuth } from "./wire.ts";

const COLUMNS = ["id", "email", "username", "phone", "name", "role"] as const;
/** What a password is compared with where there is no such user, so that both take as long. */
let nobody: Promise<string> | undefined;

type Allowed = { allowed: boolean; reason?: string };

export class Auth implements AuthContext {
  readonly #db: () => DatabaseClient;
  /** What the answer tells the server to do. */
  readonly operations: SessionOperation[] = [];
  wire: WireAuth;

  constructor(wire: WireAuth | null, db: () => DatabaseClient) {
    this.wire = wire ?? {};
    this.#db = db;
  }

  get userId(): string | undefined {
    return this.wire.userId;
  }

  get sessionId(): string | undefined {
    return this.wire.sessionId;
  }

  get orgId(): string | undefined {
    return this.wire.orgId;
  }

  get role(): string | undefined {
    return this.wire.role;
  }

  get permissions(): readonly string[] {
    return this.wire.permissions ?? [];
  }

  get kind(): AuthContext["kind"] {
    return this.wire.kind;
  }

  async user(): Promise<AuthUser> {
    const { userId } = this;
    if (userId === undefined) throw new Unauthorized();
    const found = await this.#users().eq("id", userId).maybeSingle();
    if (found === null) throw new Unauthorized("the user is gone");
    return found as AuthUser;
  }

  async team(): Promise<(AuthUser & { orgRole: string })[]> {
    const { orgId } = this;
    if (orgId === undefined) return [];
    const db = this.#db();
    return db.sql<AuthUser & { orgRole: string }>`
      SELECT users.id, users.email, users.username, users.phone, users.name, users.role,
        org_memberships.role AS ${db.ident("orgRole")}
      FROM org_memberships JOIN users ON users.id = org_memberships.user_id
      WHERE org_memberships.org_id = ${orgId} ORDER BY org_memberships.joined_at`;
  }

  createSession(payload: { userId: string; role?: string; orgId?: string }): void {
    this.operations.push({ op: "create", payload });
    // The rest of this call sees it already.
    this.wire = { ...payload, permissions: [], kind: "session" };
  }

  destroySession(): void {
    this.operations.push({ op: "destroy" });
    this.wire = {};
  }

  loginWithEmail({ email, password }: { email: string; password: string }): Promise<AuthUser> {
    return this.#login("email", email, password);
  }

  loginWithUsername(input: { username: string; password: string }): Promise<AuthUser> {
    return this.#login("username", input.username, input.password);
  }

  loginWithPhone({ phone, password }: { phone: string; password: string }): Promise<AuthUser> {
    return this.#login("phone", phone, password);
  }

  async signup({ email, password, username, phone, name }: SignupInput): Promise<AuthUser> {
    const now = Date.now();
    // Nothing but these: who signs up does not choose a role.
    const user: AuthUser = {
      id: Bun.randomUUIDv7(),
      email,
      username: username ?? null,
      phone: phone ?? null,
      name: name ?? null,
      role: null,
    };
    const row = { ...user, password_hash: await hashPassword(password), created_at: now, updated_at: now };
    try {
      await this.#db().from("users").insert(row);
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict("an account with this name is there already");
      throw error;
    }
    this.createSession({ userId: user.id });
    return user;
  }

  async logout(): Promise<void> {
    this.destroySession();
  }

  can(permission: string): Allowed {
    if (this.userId === undefined) return { allowed: false, reason: "nobody is signed in" };
    const namespace = `${permission.split(":")[0]}:*`;
    const allowed = this.permissions.some(
      (held) => held === "*" || held === permission || held === namespace,
    );
    return allowed ? { allowed } : { allowed, reason: `the permission ${permission} is missing` };
  }

  canAll(permissions: readonly string[]): Map<string, Allowed> {
    return new Map(permissions.map((permission) => [permission, this.can(permission)]));
  }

  hasRole(role: string): boolean {
    return this.role === role;
  }

  #users() {
    return this.#db()
      .from("users")
      .select(...COLUMNS);
  }

  async #login(column: "email" | "username" | "phone", value: string, password: string): Promise<AuthUser> {
    const db = this.#db();
    const found = await db
      .from("users")
      .select(...COLUMNS, "password_hash")
      .eq(column, value)
      .maybeSingle();
    nobody ??= hashPassword(crypto.randomUUID());
    const { password_hash: hash, ...user } = (found ?? {}) as Record<string, unknown>;
    const isRight = await verifyPassword(password, typeof hash === "string" ? hash : await nobody);
    if (found === null || !isRight) throw new Unauthorized("Invalid credentials");
    const signedIn = user as unknown as AuthUser;
    const { role } = signedIn;
    this.createSession({ userId: signedIn.id, ...(role === null ? {} : { role }) });
    return signedIn;
  }
}
