/** Accounts. The hash of a password is never part of what is given back. */
import { hashPassword, verifyPassword } from "../auth/password.ts";
import type { HasExecutor } from "../db/client.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../db/error.ts";
import type { BaseDatabase } from "../db/framework-tables.ts";
import { BadRequest, Conflict } from "../errors.ts";
import { type FrameworkClient, found, framework, newId, type Range, rangeOf } from "./database.ts";

/** A row of `users` without the hash. */
export type User = Omit<BaseDatabase["users"]["Row"], "password_hash">;

const PUBLIC = [
  "id",
  "email",
  "username",
  "phone",
  "name",
  "role",
  "email_verified_at",
  "created_at",
  "updated_at",
] as const;

export interface NewUser {
  email: string;
  password?: string | undefined;
  username?: string | null | undefined;
  phone?: string | null | undefined;
  name?: string | null | undefined;
  /** Role in the whole application, the key of a row of `roles`. Never take it from a request as it is. */
  role?: string | null | undefined;
}

export interface UserChange extends Partial<Omit<NewUser, "password">> {
  /** Milliseconds since the epoch. */
  email_verified_at?: number | null | undefined;
}

export class UsersManager {
  readonly #db: FrameworkClient;

  constructor(db: HasExecutor) {
    this.#db = framework(db);
  }

  getById(id: string): Promise<User | null> {
    return this.#users().eq("id", id).maybeSingle();
  }

  getByEmail(email: string): Promise<User | null> {
    return this.#users().eq("email", emailOf(email)).maybeSingle();
  }

  getByUsername(username: string): Promise<User | null> {
    return this.#users().eq("username", username).maybeSingle();
  }

  getByPhone(phone: string): Promise<User | null> {
    return this.#users().eq("phone", phone).maybeSingle();
  }

  /** Newest first. */
  list(range: Range = {}): Promise<User[]> {
    const { limit, offset } = rangeOf(range);
    return this.#users()
      .orderBy("created_at", "DESC")
      .orderBy("id", "DESC")
      .limit(limit)
      .offset(offset)
      .exec();
  }

  /** `conflict` where the address, name or number is taken. */
  async create(user: NewUser): Promise<User> {
    const { password, email, username, phone, name, role } = user;
    const hash = password === undefined ? null : await hashPassword(password);
    const row = { email: emailOf(email), username, phone, name, role, password_hash: hash };
    return unlessTaken(
      this.#db
        .from("users")
        .insert({ id: newId(), ...given(row) })
        .returning(PUBLIC)
        .single(),
    );
  }

  async update(id: string, change: UserChange): Promise<User> {
    const { email, username, phone, name, role, email_verified_at } = change;
    const address = email === undefined ? undefined : emailOf(email);
    const values = { email: address, username, phone, name, role, email_verified_at };
    const update = { ...given(values), updated_at: Date.now() };
    const user = this.#db.from("users").update(update).eq("id", id).returning(PUBLIC);
    return found(await unlessTaken(user.maybeSingle()), "user");
  }

  /** Whether there was such a user. `conflict` while it owns an organisation. */
  async delete(id: string): Promise<boolean> {
    try {
      return (await this.#db.from("users").delete().eq("id", id).count()) > 0;
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
      const message = "the user owns an organization: transfer or delete it first";
      throw new Conflict(message);
    }
  }

  async updatePassword(id: string, password: string): Promise<void> {
    const update = { password_hash: await hashPassword(password), updated_at: Date.now() };
    const changed = await this.#db.from("users").update(update).eq("id", id).count();
    found(changed === 0 ? null : changed, "user");
  }

  /** False for an unknown user too, after the same time. */
  async verifyPassword(id: string, password: string): Promise<boolean> {
    const row = await this.#db.from("users").select("password_hash").eq("id", id).maybeSingle();
    return verifyPassword(password, row?.password_hash);
  }

  #users() {
    return this.#db.from("users").select(PUBLIC);
  }
}

/** As it is stored: without space around it, in lower case. */
function emailOf(email: string): string {
  const address = email.trim().toLowerCase();
  if (/^[^\s@]+@[^\s@]+$/.test(address) && address.length <= 254) return address;
  throw new BadRequest("that is no email address");
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without what is undefined. */
function given<T extends object>(values: T): Given<T> {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Given<T>;
}

async function unlessTaken<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const column = /username|phone/.exec(error.message)?.[0] ?? "email";
    throw new Conflict(`the ${column} is taken`);
  }
}
