/**
 * End users of the project: sign-up, sign-in, and a session that is kept, refreshed before it
 * expires, and shared between the tabs of a browser.
 */
import { BunbaseError } from "./errors.ts";
import { MemoryStorage, type SessionStorage } from "./session-storage.ts";
import type { Bearer, CallOptions, Transport } from "./transport.ts";

export interface User {
  id: string;
  email: string;
  email_verified: boolean;
  name: string | null;
  project_id: string;
  claims: Record<string, unknown>;
  created_at: string;
}

export interface Session {
  user: User;
  accessToken: string;
  refreshToken: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

export type AuthEvent = "SIGNED_IN" | "SIGNED_OUT" | "TOKEN_REFRESHED" | "USER_UPDATED";
export type AuthListener = (event: AuthEvent, session: Session | null) => void;

export interface AuthOptions {
  /** Where the session is kept; `localStorage` in a browser, memory elsewhere. */
  storage?: SessionStorage | undefined;
  /** Under which name. */
  storageKey?: string | undefined;
}

interface TokenAnswer {
  user: User;
  access_token?: string;
  refresh_token?: string;
  expires_in?: number;
}

const BASE = "/v1/auth/project";
/** A token that expires so soon is refreshed before it is used. */
const EARLY_MS = 30_000;

export class Auth implements Bearer {
  readonly #transport: Transport;
  readonly #storage: SessionStorage;
  readonly #key: string;
  readonly #listeners = new Set<AuthListener>();
  #session: Session | null | undefined;
  #refreshing: Promise<Session | null> | undefined;

  /** `transport` makes calls with the key alone: a refresh must not wait for itself. */
  constructor(transport: Transport, options: AuthOptions & { storageKey: string }) {
    this.#transport = transport;
    this.#storage = options.storage ?? browserStorage() ?? new MemoryStorage();
    this.#key = options.storageKey;
    this.#followOtherTabs();
  }

  /** `session` is null where the address has to be verified first. */
  async signUp(
    input: { email: string; password: string; name?: string },
    options: CallOptions = {},
  ): Promise<{ user: User | null; session: Session | null }> {
    return this.#enter(`${BASE}/register`, input, options);
  }

  async signInWithPassword(
    input: { email: string; password: string },
    options: CallOptions = {},
  ): Promise<{ user: User; session: Session }> {
    const { user, session } = await this.#enter(`${BASE}/login`, input, options);
    if (user === null || session === null) throw noSession();
    return { user, session };
  }

  /** Ends the session here even where the server cannot be reached. */
  async signOut(options: CallOptions = {}): Promise<void> {
    const session = await this.getSession();
    await this.#keep(null, "SIGNED_OUT");
    if (session === null) return;
    const body = { refresh_token: session.refreshToken };
    await this.#transport.call({ ...options, method: "POST", path: `${BASE}/logout`, body });
  }

  /** The session as it is kept, refreshed where it is about to expire. */
  async getSession(): Promise<Session | null> {
    const session = await this.#load();
    if (session === null || session.expiresAt - EARLY_MS > Date.now()) return session;
    return this.#refresh(session.accessToken);
  }

  /** Who is signed in, as the server knows them now; null where nobody is. */
  async getUser(options: CallOptions = {}): Promise<User | null> {
    const session = await this.getSession();
    if (session === null) return null;
    const headers = { authorization: `Bearer ${session.accessToken}` };
    try {
      const call = { ...options, method: "GET", path: "/v1/auth/session", headers };
      return (await this.#transport.json<{ user: User }>(call)).user;
    } catch (error) {
      if (error instanceof BunbaseError && error.status === 401) return null;
      throw error;
    }
  }

  /** Tells of every change until the answer is called; also of those that other tabs make. */
  onAuthStateChange(listener: AuthListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Sends a link by mail; answers alike whether the address is known or not. */
  async sendPasswordReset(email: string, options: CallOptions = {}): Promise<void> {
    await this.#post("/password/forgot", { email }, options);
  }

  /** `token` comes from the link. */
  async resetPassword(token: string, password: string, options: CallOptions = {}): Promise<void> {
    await this.#post("/password/reset", { token, password }, options);
  }

  async updatePassword(current: string, next: string, options: CallOptions = {}): Promise<void> {
    const session = await this.getSession();
    if (session === null) throw noSession();
    const headers = { authorization: `Bearer ${session.accessToken}` };
    const body = { current_password: current, new_password: next };
    const path = `${BASE}/password`;
    await this.#transport.call({ ...options, method: "POST", path, headers, body });
  }

  async sendVerification(email: string, options: CallOptions = {}): Promise<void> {
    await this.#post("/verify-email/send", { email }, options);
  }

  /** `token` comes from the link. */
  async verifyEmail(token: string, options: CallOptions = {}): Promise<void> {
    await this.#post("/verify-email", { token }, options);
    const session = await this.#load();
    if (session === null) return;
    const user = { ...session.user, email_verified: true };
    await this.#keep({ ...session, user }, "USER_UPDATED");
  }

  async token(): Promise<string | undefined> {
    return (await this.getSession())?.accessToken;
  }

  async renew(token: string): Promise<boolean> {
    const session = await this.#load();
    if (session === null) return false;
    if (session.accessToken !== token) return true;
    return (await this.#refresh(token)) !== null;
  }

  #post(path: string, body: object, options: CallOptions): Promise<unknown> {
    return this.#transport.call({ ...options, method: "POST", path: BASE + path, body });
  }

  async #enter(
    path: string,
    body: object,
    options: CallOptions,
  ): Promise<{ user: User | null; session: Session | null }> {
    const call = { ...options, method: "POST", path, body };
    const answer = await this.#transport.json<TokenAnswer | undefined>(call);
    const session = sessionOf(answer);
    if (session !== null) await this.#keep(session, "SIGNED_IN");
    return { user: answer?.user ?? null, session };
  }

  /** One refresh at a time; `stale` is the access token that is to be replaced. */
  #refresh(stale: string): Promise<Session | null> {
    this.#refreshing ??= this.#exchange(stale).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #exchange(stale: string): Promise<Session | null> {
    this.#session = undefined;
    const session = await this.#load();
    if (session === null || session.accessToken !== stale) return session;
    const body = { refresh_token: session.refreshToken };
    try {
      const call = { method: "POST", path: `${BASE}/refresh`, body, idempotent: true };
      const next = sessionOf(await this.#transport.json<TokenAnswer>(call));
      await this.#keep(next, next === null ? "SIGNED_OUT" : "TOKEN_REFRESHED");
      return next;
    } catch (error) {
      if (!(error instanceof BunbaseError) || error.status !== 401) throw error;
      await this.#keep(null, "SIGNED_OUT");
      return null;
    }
  }

  async #load(): Promise<Session | null> {
    if (this.#session === undefined) this.#session = parse(await this.#storage.getItem(this.#key));
    return this.#session;
  }

  async #keep(session: Session | null, event: AuthEvent): Promise<void> {
    this.#session = session;
    if (session === null) await this.#storage.removeItem(this.#key);
    else await this.#storage.setItem(this.#key, JSON.stringify(session));
    this.#tell(event);
  }

  #tell(event: AuthEvent): void {
    for (const listener of [...this.#listeners]) listener(event, this.#session ?? null);
  }

  #followOtherTabs(): void {
    if (this.#storage !== browserStorage()) return;
    globalThis.addEventListener?.("storage", (event: Event) => {
      const change = event as Event & { key: string | null; newValue: string | null };
      if (change.key !== this.#key) return;
      const before = this.#session ?? null;
      this.#session = parse(change.newValue);
      if (this.#session === null) this.#tell("SIGNED_OUT");
      else this.#tell(before === null ? "SIGNED_IN" : "TOKEN_REFRESHED");
    });
  }
}

function sessionOf(answer: TokenAnswer | undefined): Session | null {
  if (answer?.access_token === undefined || answer.refresh_token === undefined) return null;
  return {
    user: answer.user,
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token,
    expiresAt: Date.now() + (answer.expires_in ?? 0) * 1000,
  };
}

function parse(text: string | null): Session | null {
  try {
    const value: unknown = text === null ? null : JSON.parse(text);
    const complete = typeof value === "object" && value !== null && "refreshToken" in value;
    return complete ? (value as Session) : null;
  } catch {
    return null;
  }
}

function browserStorage(): Storage | undefined {
  try {
    return "document" in globalThis ? globalThis.localStorage : undefined;
  } catch {
    return undefined;
  }
}

function noSession(): BunbaseError {
  const message = "nobody is signed in: call signInWithPassword first";
  return new BunbaseError({ code: "signed_out", status: 0, message });
}
