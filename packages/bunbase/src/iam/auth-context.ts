/** `ctx.auth`: who calls, what they may do, and signing in and out. */
import { verifyPassword } from "../auth/password.ts";
import type { SessionPayload } from "../auth/session-manager.ts";
import type { HasExecutor } from "../db/client.ts";
import { Unauthorized } from "../errors.ts";
import { type Organization, OrgManager } from "../saas/organizations.ts";
import { framework } from "./database.ts";
import { hasPermission, resolveSubject, type Subject } from "./permissions.ts";
import { type NewUser, type User, UsersManager } from "./users.ts";

export interface Identity {
  userId?: string | undefined;
  sessionId?: string | undefined;
  orgId?: string | undefined;
  role?: string | undefined;
  /** What the caller may do; asked of the tables when it is needed, unless given. */
  permissions?: readonly string[] | undefined;
  kind?: "session" | "api_key" | "bearer" | "tenant" | undefined;
}

/** What becomes of the session when the action has answered. */
export type SessionOperation = { op: "create"; payload: SessionPayload } | { op: "destroy" };

export interface AuthContextOptions {
  identity?: Identity | null | undefined;
  /** Asked for only by what needs it. */
  db: () => HasExecutor;
  onSession: (operation: SessionOperation) => void;
}

export interface Verdict {
  allowed: boolean;
  reason?: string;
}

export interface Credentials {
  password: string;
}

/** The identity of a user, with role and permissions as the tables have them now; null for no such user. */
export async function buildAuthContext(
  db: HasExecutor,
  subject: Subject & { sessionId?: string },
): Promise<Identity | null> {
  const { userId, orgId, sessionId } = subject;
  if ((await new UsersManager(db).getById(userId)) === null) return null;
  const { role, permissions } = await resolveSubject(db, subject);
  return { userId, sessionId, orgId: orgId ?? undefined, role, permissions };
}

export function createAuthContext(options: AuthContextOptions): AuthContext {
  return new AuthContext(options);
}

/** Guards may set `orgId`, `role` and `permissions`; what is asked afterwards goes by them. */
export class AuthContext {
  userId: string | undefined;
  sessionId: string | undefined;
  orgId: string | undefined;
  role: string | undefined;
  permissions: readonly string[] | undefined;
  readonly kind: Identity["kind"];
  readonly #options: AuthContextOptions;
  readonly #given: Pick<Identity, "orgId" | "permissions">;
  /** Permissions from the tables, and for whom. */
  #resolved: { key: string; permissions: Promise<readonly string[]> } | undefined;

  constructor(options: AuthContextOptions) {
    const { userId, sessionId, orgId, role, permissions, kind } = options.identity ?? {};
    Object.assign(this, { userId, sessionId, orgId, role, permissions });
    this.kind = kind;
    this.#given = { orgId, permissions };
    this.#options = options;
  }

  /** The account of the caller; null for nobody. */
  async user(): Promise<User | null> {
    return this.userId === undefined ? null : this.#users().getById(this.userId);
  }

  /** The organisation of the caller; null without one. */
  async team(): Promise<Organization | null> {
    return this.orgId === undefined ? null : new OrgManager(this.#db()).getById(this.orgId);
  }

  /** Signs in with the answer of this action; for its rest the caller is `payload.userId`. */
  createSession(payload: SessionPayload): void {
    this.#options.onSession({ op: "create", payload });
    const { userId, role, orgId } = payload;
    Object.assign(this, { userId, role, orgId, permissions: undefined });
  }

  destroySession(): void {
    this.#options.onSession({ op: "destroy" });
    const nobody = { userId: undefined, sessionId: undefined, orgId: undefined };
    Object.assign(this, { ...nobody, role: undefined, permissions: undefined });
  }

  logout(): void {
    this.destroySession();
  }

  loginWithEmail({ email, password }: Credentials & { email: string }): Promise<User> {
    return this.#login("email", email.trim().toLowerCase(), password);
  }

  loginWithUsername({ username, password }: Credentials & { username: string }): Promise<User> {
    return this.#login("username", username, password);
  }

  loginWithPhone({ phone, password }: Credentials & { phone: string }): Promise<User> {
    return this.#login("phone", phone, password);
  }

  /** Makes an account and signs in to it. Of what it is given it takes these fields and no others: no role. */
  async signup(account: Omit<NewUser, "role"> & Credentials): Promise<User> {
    const { email, username, phone, name, password } = account;
    const user = await this.#users().create({ email, username, phone, name, password });
    this.createSession(sessionOf(user));
    return user;
  }

  async can(permission: string): Promise<Verdict> {
    if (this.userId === undefined) return { allowed: false, reason: "not signed in" };
    if (hasPermission(await this.#permissions(), permission)) return { allowed: true };
    return { allowed: false, reason: `the permission ${permission} is missing` };
  }

  async canAll(permissions: readonly string[]): Promise<Map<string, Verdict>> {
    const verdicts = permissions.map(async (one) => [one, await this.can(one)] as const);
    return new Map(await Promise.all(verdicts));
  }

  hasRole(role: string): boolean {
    return this.userId !== undefined && this.role === role;
  }

  #db(): HasExecutor {
    return this.#options.db();
  }

  #users(): UsersManager {
    return new UsersManager(this.#db());
  }

  #permissions(): Promise<readonly string[]> {
    if (this.permissions !== undefined && !this.#isElsewhere())
      return Promise.resolve(this.permissions);
    const subject = { userId: this.userId ?? "", orgId: this.orgId };
    const key = JSON.stringify(subject);
    if (this.#resolved?.key !== key) {
      const resolved = resolveSubject(this.#db(), subject);
      this.#resolved = { key, permissions: resolved.then(({ permissions }) => permissions) };
    }
    return this.#resolved.permissions;
  }

  /** Whether a guard has set another organisation without its permissions. A key keeps its own. */
  #isElsewhere(): boolean {
    const { orgId, permissions } = this.#given;
    const moved = this.orgId !== orgId && this.permissions === permissions;
    return moved && this.kind !== "api_key";
  }

  async #login(column: "email" | "username" | "phone", value: string, password: string) {
    const row = await framework(this.#db()).from("users").eq(column, value).maybeSingle();
    const { password_hash, ...user } = row ?? { password_hash: null, id: "" };
    // Whether the account is not there or the password is wrong takes the same time, and is the same answer.
    if (!(await verifyPassword(password, password_hash)) || row === null)
      throw new Unauthorized(`${column} or password is wrong`);
    this.createSession(sessionOf(user as User));
    return user as User;
  }
}

function sessionOf({ id, role }: User): SessionPayload {
  return { userId: id, ...(role === null ? {} : { role }) };
}
