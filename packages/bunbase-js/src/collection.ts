/** One collection: its documents and its indexes. */
import { BunbaseError } from "./errors.ts";
import { BATCH_PATH, collectionPath, queryString, segment } from "./path.ts";
import type { Unsubscribe, WatchOptions } from "./subscription.ts";
import { type Answer, type CallOptions, parseAnswer, type Transport } from "./transport.ts";
import type {
  ArrayFilters,
  BatchResult,
  CollectionOperation,
  Explanation,
  Fields,
  Filter,
  IndexInfo,
  IndexSpec,
  NewDocument,
  Page,
  Sort,
  Update,
  UpdateResult,
  WithId,
} from "./types.ts";
import { type ChangeListener, watchCollection, watchResult } from "./watch.ts";

export interface ListOptions extends CallOptions {
  limit?: number;
  cursor?: string | null;
  /** Paths to answer with; everything where absent. */
  fields?: readonly string[];
}

export interface QueryOptions extends CallOptions {
  limit?: number;
  cursor?: string | null;
  /** What to answer with: a list of paths, or a projection; everything where absent. */
  fields?: Fields;
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

export interface UpdateOptions extends WriteOptions {
  /** What each `$[name]` in the update stands for. */
  arrayFilters?: ArrayFilters;
}

export interface UpdateMatchingOptions extends CallOptions {
  /** Creates a document where none matches. */
  upsert?: boolean;
  arrayFilters?: ArrayFilters;
}

export interface FindOneAndOptions extends CallOptions {
  /** The first in this order is taken. */
  sort?: Sort;
  /** What is given back of it. */
  fields?: Fields;
}

export interface FindOneAndReplaceOptions extends FindOneAndOptions {
  upsert?: boolean;
  /** Which state is given back; `before` where nothing is said. */
  return?: "before" | "after";
}

export interface FindOneAndUpdateOptions extends FindOneAndReplaceOptions {
  arrayFilters?: ArrayFilters;
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

  update(id: string, update: Update<T>, options: UpdateOptions = {}): Promise<WithId<T>> {
    const { arrayFilters, ...write } = options;
    const filters = arrayFilters && JSON.stringify(arrayFilters);
    return this.#write("PATCH", id, write, update, queryString({ array_filters: filters }));
  }

  async delete(id: string, options: WriteOptions = {}): Promise<void> {
    await this.#write("DELETE", id, options, undefined);
  }

  query(filter: Filter<T>, options: QueryOptions = {}): Promise<Page<WithId<T>>> {
    return this.#ask("query", queryBody(filter, options), options);
  }

  /** The first document of a query, or `null`. */
  async findOne(
    filter: Filter<T>,
    options: Omit<QueryOptions, "limit" | "cursor"> = {},
  ): Promise<WithId<T> | null> {
    const page = await this.query(filter, { ...options, limit: 1 });
    return page.documents[0] ?? null;
  }

  /** How many documents match. */
  async count(filter: Filter<T> = {} as Filter<T>, options: CallOptions = {}): Promise<number> {
    return (await this.#ask<{ count: number }>("count", { query: filter }, options)).count;
  }

  /** The different values of a field; each element of an array counts by itself. */
  async distinct<V = unknown>(
    field: (keyof WithId<T> & string) | `${string}.${string}`,
    filter: Filter<T> = {} as Filter<T>,
    options: CallOptions = {},
  ): Promise<V[]> {
    const body = { field, query: filter };
    return (await this.#ask<{ values: V[] }>("distinct", body, options)).values;
  }

  /** How a query is answered; with a secret key. */
  explain(filter: Filter<T>, options: QueryOptions = {}): Promise<Explanation> {
    return this.#ask("explain", queryBody(filter, options), options);
  }

  /** Changes the first document that matches. */
  updateOne(
    filter: Filter<T>,
    update: Update<T>,
    options: UpdateMatchingOptions = {},
  ): Promise<UpdateResult> {
    return this.#updateMatching(filter, update, false, options);
  }

  /** Changes all documents that match, in one commit. */
  updateMany(
    filter: Filter<T>,
    update: Update<T>,
    options: UpdateMatchingOptions = {},
  ): Promise<UpdateResult> {
    return this.#updateMatching(filter, update, true, options);
  }

  /** Removes the first document that matches; how many there were. */
  deleteOne(filter: Filter<T>, options: CallOptions = {}): Promise<number> {
    return this.#deleteMatching(filter, false, options);
  }

  /** Removes all documents that match, in one commit; how many there were. */
  deleteMany(filter: Filter<T>, options: CallOptions = {}): Promise<number> {
    return this.#deleteMatching(filter, true, options);
  }

  /** Changes one document and answers with it, or with `null` where none matches. */
  findOneAndUpdate(
    filter: Filter<T>,
    update: Update<T>,
    options: FindOneAndUpdateOptions = {},
  ): Promise<WithId<T> | null> {
    return this.#findAndModify(filter, { update }, options);
  }

  /** Puts another document in place of one, and answers with it. */
  findOneAndReplace(
    filter: Filter<T>,
    replacement: T,
    options: FindOneAndReplaceOptions = {},
  ): Promise<WithId<T> | null> {
    return this.#findAndModify(filter, { replacement }, options);
  }

  /** Removes one document and answers with it. */
  findOneAndDelete(filter: Filter<T>, options: FindOneAndOptions = {}): Promise<WithId<T> | null> {
    return this.#findAndModify(filter, { remove: true }, options);
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

  async #write<R>(
    method: string,
    id: string,
    options: WriteOptions,
    body: unknown,
    query = "",
  ): Promise<R> {
    const { ifVersion, ...call } = options;
    const headers = ifVersion === undefined ? undefined : { "if-match": `"${ifVersion}"` };
    const path = `${this.#document(id)}${query}`;
    return this.#transport.json({ ...call, method, path, headers, body });
  }

  /** A question that changes nothing. */
  #ask<R>(what: string, body: unknown, { signal, timeoutMs }: CallOptions): Promise<R> {
    const path = `${this.#documents}/${what}`;
    return this.#transport.json({
      method: "POST",
      path,
      body,
      signal,
      timeoutMs,
      idempotent: true,
    });
  }

  #updateMatching(
    filter: Filter<T>,
    update: Update<T>,
    many: boolean,
    options: UpdateMatchingOptions,
  ): Promise<UpdateResult> {
    const { upsert, arrayFilters, ...call } = options;
    const body = { query: filter, update, many, upsert, array_filters: arrayFilters };
    const path = `${this.#documents}/update`;
    return this.#transport.json({ ...call, method: "POST", path, body });
  }

  async #deleteMatching(filter: Filter<T>, many: boolean, call: CallOptions): Promise<number> {
    const path = `${this.#documents}/delete`;
    const body = { query: filter, many };
    const answer = await this.#transport.json<{ deleted: number }>({
      ...call,
      method: "POST",
      path,
      body,
    });
    return answer.deleted;
  }

  async #findAndModify(
    filter: Filter<T>,
    change: object,
    options: FindOneAndUpdateOptions,
  ): Promise<WithId<T> | null> {
    const { sort, fields, upsert, return: returned, arrayFilters, ...call } = options;
    const body = {
      query: filter,
      ...change,
      sort,
      fields,
      upsert,
      return: returned,
      array_filters: arrayFilters,
    };
    const path = `${this.#documents}/find-and-modify`;
    const answer = await this.#transport.json<{ document: WithId<T> | null }>({
      ...call,
      method: "POST",
      path,
      body,
    });
    return answer.document;
  }
}

function queryBody(query: object, options: QueryOptions): object {
  const { sort, limit, skip, cursor, fields } = options;
  return { query, sort, limit, skip, cursor: cursor ?? undefined, fields };
}

function versioned<T>(answer: Answer): Versioned<T> {
  const version = /^(?:W\/)?"(\d+)"$/.exec(answer.headers.get("etag") ?? "")?.[1];
  return { document: parseAnswer(answer), version: Number(version) };
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof BunbaseError)) return false;
  return error.code === "document_not_found" || error.code === "collection_not_found";
}
