/** The project's objects: files by name. */
import { BunbaseError } from "./errors.ts";
import { queryString, slashPath } from "./path.ts";
import type { CallOptions, Transport, WireBody } from "./transport.ts";

export interface StoredObject {
  key: string;
  size: number;
  content_type: string;
  etag: string;
  last_modified: string;
}

export interface ObjectPage {
  objects: StoredObject[];
  /** With a delimiter: what the names below have in common up to it. */
  prefixes: string[];
  next_cursor: string | null;
}

export interface ListObjectsOptions extends CallOptions {
  limit?: number | undefined;
  cursor?: string | null | undefined;
  delimiter?: string | undefined;
}

export interface PutOptions extends CallOptions {
  contentType?: string | undefined;
  /** Fails with `precondition_failed` unless the object has this ETag. */
  ifMatch?: string | undefined;
  /** Fails with `precondition_failed` where there is an object. */
  ifAbsent?: boolean | undefined;
}

export interface GetOptions extends CallOptions {
  /** First and last byte, both included; the last may be left out. */
  range?: { start: number; end?: number } | undefined;
}

const BASE = "/v1/storage";

export class ObjectStorage {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  list(prefix = "", options: ListObjectsOptions = {}): Promise<ObjectPage> {
    const { limit, cursor, delimiter, ...call } = options;
    const query = { prefix: prefix || undefined, limit, cursor: cursor ?? undefined, delimiter };
    return this.#transport.json({ ...call, method: "GET", path: BASE + queryString(query) });
  }

  /** Puts the bytes in place of what is there. No timeout unless one is given. */
  async put(
    key: string,
    body: WireBody,
    options: PutOptions = {},
  ): Promise<{ key: string; size: number; etag: string }> {
    const { contentType, ifMatch, ifAbsent, ...call } = options;
    const type = contentType ?? (body instanceof Blob && body.type ? body.type : undefined);
    const headers: Record<string, string> = { "content-type": type ?? "application/octet-stream" };
    if (ifMatch !== undefined) headers["if-match"] = ifMatch;
    if (ifAbsent) headers["if-none-match"] = "*";
    const path = objectPath(key);
    return this.#transport.json({ timeoutMs: 0, ...call, method: "PUT", path, headers, raw: body });
  }

  /** The answer with the object as its body; fails with `object_not_found` where there is none. */
  get(key: string, options: GetOptions = {}): Promise<Response> {
    const { range, ...call } = options;
    const headers: Record<string, string> = { accept: "*/*" };
    if (range !== undefined) headers.range = `bytes=${range.start}-${range.end ?? ""}`;
    return this.#transport.open({ ...call, method: "GET", path: objectPath(key), headers });
  }

  async getBlob(key: string, options: GetOptions = {}): Promise<Blob> {
    return (await this.get(key, options)).blob();
  }

  /** What is known of the object, or null where there is none. */
  async head(key: string, options: CallOptions = {}): Promise<StoredObject | null> {
    try {
      const call = { ...options, method: "HEAD", path: objectPath(key) };
      const { headers } = await this.#transport.call(call);
      return {
        key,
        size: Number(headers.get("content-length")),
        content_type: headers.get("content-type") ?? "application/octet-stream",
        etag: headers.get("etag") ?? "",
        last_modified: new Date(headers.get("last-modified") ?? 0).toISOString(),
      };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Whether there was something to delete. */
  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.#transport.call({ ...options, method: "DELETE", path: objectPath(key) });
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** An address that works without a key until it expires; `expiresIn` in seconds, an hour unless said. */
  async signedUrl(
    key: string,
    options: CallOptions & { method?: "GET" | "PUT"; expiresIn?: number } = {},
  ): Promise<{ url: string; expires_at: string }> {
    const { method = "GET", expiresIn = 3600, ...call } = options;
    const body = { path: key, method, expires_in: expiresIn };
    return this.#transport.json({ ...call, method: "POST", path: "/v1/signed-urls", body });
  }
}

function objectPath(key: string): string {
  return `${BASE}/${slashPath(key)}`;
}

function isMissing(error: unknown): boolean {
  return error instanceof BunbaseError && error.status === 404;
}
