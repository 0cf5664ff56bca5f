/** One collection: its documents and its indexes. */
import { BunbaseError } from "./errors.ts";
import { BATCH_PATH, collectionPath, segment } from "./path.ts";
import type { Unsubscribe, WatchOptions } from "./subscription.ts";
import { type Answer, type CallOptions, parseAnswer, type Transport } from "./transport.ts";
import type {
  BatchResult,
  CollectionOperation,
  Filter,
  IndexInfo,
  IndexSpec,
  NewDocument,
  Page,
  Sort,
  Update,
  WithId,
} from "./types.ts";
import { type ChangeListener, watchCollection, watchResult } from "./watch.ts";

export interface ListOptions extends CallOptions {
  limit?: number;
  cursor?: string | null;
  /** Paths to answer with; everything where absent. */
  fields?: readonly string[];
}

export interface QueryOptions extends ListOptions {
  sort?: Sort;
  skip?: number;
}

export interface IterateOptions extends Omit<QueryOptions, "cursor" | "limit"> {
  /** Documents asked for at a time. */
  pageSize?: number;
}

export interface WriteOptions extends CallOptions {
  /** Fails with `precondition_failed` unless the document is at this version. */
  ifVersion?: number;
}

export interface Versioned<T> {
  document: WithId<T>;
  /** Number of the commit that wrote it last: what `ifVersion` and `if_version` compare with. */
  version: number;
}

export class Collection<T extends object> {
  readonly name: string;
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, name: string) {
    this.name = name;
    this.#transport = transport;
    this.#path = collectionPath(name);
  }

  list(options: ListOptions = {}): Promise<Page<WithId<T>>> {
    const { limit, cursor, fields, ...call } = options;
    const query = new URLSearchParams();
    if (limit !== undefined) query.set("limit", String(limit));
    if (cursor) query.set("cursor", cursor);
    if (fields !== undefined) query.set("fields", fields.join(","));
    const suffix = query.size === 0 ? "" : `?${query}`;
    return this.#transport.json({ ...call, method: "GET", path: `${this.#documents}${suffix}` });
  }

  /** The document, or `null` where there is none. */
  async get(id: string, options: CallOptions = {}): Promise<WithId<T> | null> {
    return (await this.getVersioned(id, options))?.document ?? null;
  }

  /** The document with the version that `ifVersion` takes, or `null` where there is none. */
  async getVersioned(id: string, options: CallOptions = {}): Promise<Versioned<T> | null> {
    try {
      return versioned(
        await this.#transport.call({ ...options, method: "GET", path: this.#document(id) }),
      );
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Fails with `document_exists` where the `_id` is taken. */
  create(document: NewDocument<T>, options: CallOptions = {}): Promise<WithId<T>> {
    return this.#transport.json({
      ...options,
      method: "POST",
      path: this.#documents,
      body: document,
    });
  }

  /** Puts the document in place of what is there, or creates it. */
  replace(id: string, document: T, options: WriteOptions = {}): Promise<WithId<T>> {
    return this.#write(
      "PUT",
      id,
      { idempotent: options.ifVersion === undefined, ...options },
      document,
    );
  }

  update(id: string, update: Update<T>, options: WriteOptions = {}): Promise<WithId<T>> {
    return this.#write("PATCH", id, options, update);
  }

  async delete(id: string, options: WriteOptions = {}): Promise<void> {
    await this.#write("DELETE", id, options, undefined);
  }

  query(filter: Filter<T>, options: QueryOptions = {}): Promise<Page<WithId<T>>> {
    const { sort, limit, skip, cursor, fields, signal, timeoutMs } = options;
    return this.#transport.json({
      method: "POST",
      path: `${this.#documents}/query`,
      body: { query: filter, sort, limit, skip, cursor: cursor ?? undefined, fields },
      signal,
      timeoutMs,
      idempotent: true,
    });
  }

  /** Every document of a query, page by page as they are consumed. */
  async *iterate(filter: Filter<T>, options: IterateOptions = {}): AsyncGenerator<WithId<T>> {
    const { pageSize, skip, ...rest } = options;
    const limit = pageSize === undefined ? {} : { limit: pageSize };
    let page = await this.query(filter, { ...rest, ...limit, ...(skip && { skip }) });
    yield* page.documents;
    while (page.next_cursor) {
      page = await this.query(filter, { ...rest, ...limit, cursor: page.next_cursor });
      yield* page.documents;
    }
  }

  /** Every change to the collection from now on, until the answer is called. */
  watch(listener: ChangeListener<T>, options: WatchOptions = {}): Unsubscribe {
    return watchCollection(this.#transport, this.#path, listener, options);
  }

  /** The document as it is now (`added`), and every change to it. */
  watchDocument(id: string, listener: ChangeListener<T>, options: WatchOptions = {}): Unsubscribe {
    const query = { query: { _id: id } };
    return watchResult(this.#transport, this.#path, query, listener, options);
  }

  /** The documents of a query as they are now (`added`), and what enters, changes in and leaves it. */
  watchQuery(
    filter: Filter<T>,
    options: WatchOptions & { fields?: readonly string[] },
    listener: ChangeListener<T>,
  ): Unsubscribe {
    const { fields, ...watch } = options;
    const query = { query: filter, fields };
    return watchResult(this.#transport, this.#path, query, listener, watch);
  }

  /** All of the operations or none. */
  batch(
    operations: readonly CollectionOperation<T>[],
    options: CallOptions = {},
  ): Promise<BatchResult> {
    const body = { operations: operations.map((each) => ({ ...each, collection: this.name })) };
    return this.#transport.json({ ...options, method: "POST", path: BATCH_PATH, body });
  }

  /** Answers at once with the state `building`; `listIndexes` says when it is ready. */
  createIndex(spec: IndexSpec, options: CallOptions = {}): Promise<IndexInfo> {
    return this.#transport.json({
      ...options,
      method: "POST",
      path: `${this.#path}/indexes`,
      body: spec,
    });
  }

  async listIndexes(options: CallOptions = {}): Promise<IndexInfo[]> {
    const answer = await this.#transport.json<{ indexes: IndexInfo[] }>({
      ...options,
      method: "GET",
      path: `${this.#path}/indexes`,
    });
    return answer.indexes;
  }

  async deleteIndex(name: string, options: CallOptions = {}): Promise<void> {
    const path = `${this.#path}/indexes/${segment(name)}`;
    await this.#transport.call({ ...options, method: "DELETE", path });
  }

  get #documents(): string {
    return `${this.#path}/documents`;
  }

  #document(id: string): string {
    return `${this.#documents}/${segment(id)}`;
  }

  async #write<R>(method: string, id: string, options: WriteOptions, body: unknown): Promise<R> {
    const { ifVersion, ...call } = options;
    const headers = ifVersion === undefined ? undefined : { "if-match": `"${ifVersion}"` };
    return this.#transport.json({ ...call, method, path: this.#document(id), headers, body });
  }
}

function versioned<T>(answer: Answer): Versioned<T> {
  const version = /^(?:W\/)?"(\d+)"$/.exec(answer.headers.get("etag") ?? "")?.[1];
  return { document: parseAnswer(answer), version: Number(version) };
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof BunbaseError)) return false;
  return error.code === "document_not_found" || error.code === "collection_not_found";
}
