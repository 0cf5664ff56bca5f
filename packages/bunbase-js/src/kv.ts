/** The project's key-value store. */
import { BunbaseError } from "./errors.ts";
import { queryString, slashPath } from "./path.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface SetOptions extends CallOptions {
  /** Seconds after which the key is gone. */
  ttl?: number | undefined;
  /** Fails with `precondition_failed` unless the value is at this version (compare and set). */
  ifVersion?: number | undefined;
  /** Fails with `precondition_failed` where there is a value. */
  ifAbsent?: boolean | undefined;
}

export interface Entry {
  value: Uint8Array<ArrayBuffer>;
  /** What `ifVersion` compares with. */
  version: number;
  /** Seconds left; null for one that stays. */
  ttl: number | null;
}

export interface KeyInfo {
  key: string;
  version: number;
  bytes: number;
  expires_at: string | null;
}

export interface KeyPage {
  keys: KeyInfo[];
  next_cursor: string | null;
}

export interface KeysOptions extends CallOptions {
  prefix?: string | undefined;
  /** `*` for any text, `?` for one character. */
  pattern?: string | undefined;
  limit?: number | undefined;
  cursor?: string | null | undefined;
}

const BASE = "/v1/kv";

export class KeyValue {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The value as text, or null where there is none. */
  async get(key: string, options: CallOptions = {}): Promise<string | null> {
    const entry = await this.getEntry(key, options);
    return entry === null ? null : new TextDecoder().decode(entry.value);
  }

  /** The value, which was set as JSON, or null where there is none. */
  async getJson<T = unknown>(key: string, options: CallOptions = {}): Promise<T | null> {
    const text = await this.get(key, options);
    return text === null ? null : (JSON.parse(text) as T);
  }

  async getEntry(key: string, options: CallOptions = {}): Promise<Entry | null> {
    try {
      const call = { ...options, method: "GET", path: keyPath(key) };
      const response = await this.#transport.open(call);
      const ttl = response.headers.get("x-ttl");
      return {
        value: new Uint8Array(await response.arrayBuffer()),
        version: versionOf(response.headers),
        ttl: ttl === null ? null : Number(ttl),
      };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Bytes and text are kept as they are, everything else as JSON. Answers the new version. */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<number> {
    const { ttl, ifVersion, ifAbsent, ...call } = options;
    const headers: Record<string, string> = { "content-type": "application/octet-stream" };
    if (ifVersion !== undefined) headers["if-match"] = `"${ifVersion}"`;
    if (ifAbsent) headers["if-none-match"] = "*";
    const path = keyPath(key) + queryString({ ttl });
    const raw = value instanceof Uint8Array ? new Uint8Array(value) : textOf(value);
    const conditional = ifVersion !== undefined || ifAbsent === true;
    const request = { idempotent: !conditional, ...call, method: "PUT", path, headers, raw };
    return versionOf((await this.#transport.call(request)).headers);
  }

  /** Whether there was something to delete. */
  async delete(key: string, options: CallOptions & { ifVersion?: number } = {}): Promise<boolean> {
    const { ifVersion, ...call } = options;
    const headers = ifVersion === undefined ? {} : { "if-match": `"${ifVersion}"` };
    try {
      await this.#transport.call({ ...call, method: "DELETE", path: keyPath(key), headers });
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Adds to a number, which begins with 0, and answers the sum. */
  async increment(
    key: string,
    by = 1,
    options: CallOptions & { ttl?: number } = {},
  ): Promise<number> {
    const { ttl, ...call } = options;
    const path = `${BASE}/incr/${slashPath(key)}`;
    const body = { by, ttl };
    const answer = await this.#transport.json<{ value: number }>({
      ...call,
      method: "POST",
      path,
      body,
    });
    return answer.value;
  }

  async exists(key: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.getEntry(key, options)) !== null;
  }

  /** One page of keys, in order. */
  list(options: KeysOptions = {}): Promise<KeyPage> {
    const { prefix, pattern, limit, cursor, ...call } = options;
    const path = `${BASE}/keys${queryString({ prefix, pattern, limit, cursor: cursor ?? undefined })}`;
    return this.#transport.json({ ...call, method: "GET", path });
  }

  /** Every key that matches `pattern`, page by page. */
  async keys(pattern = "*", options: CallOptions = {}): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: KeyPage = await this.list({ ...options, pattern, cursor });
      found.push(...page.keys.map((each) => each.key));
      cursor = page.next_cursor;
    } while (cursor !== null);
    return found;
  }
}

function keyPath(key: string): string {
  return `${BASE}/kv/${slashPath(key)}`;
}

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === undefined) throw new TypeError("undefined cannot be kept: delete the key");
  return text;
}

function versionOf(headers: Headers): number {
  return Number(headers.get("etag")?.replaceAll('"', ""));
}

function isMissing(error: unknown): boolean {
  return error instanceof BunbaseError && error.code === "kv_key_not_found";
}
