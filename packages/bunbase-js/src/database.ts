/** The documents of a project: its collections, their rules, and batches across them. */
import { Collection, type QueryOptions } from "./collection.ts";
import { BATCH_PATH, collectionPath, DATABASE_PATH, segment } from "./path.ts";
import { runTransaction, type Transaction, type TransactionOptions } from "./transaction.ts";
import type { CallOptions, Transport } from "./transport.ts";
import type {
  BatchResult,
  Filter,
  GroupDocument,
  GroupIndexInfo,
  IndexSpec,
  Operation,
  Page,
  Rules,
} from "./types.ts";

export type GroupQueryOptions = Omit<QueryOptions, "skip">;

const GROUP_INDEXES_PATH = `${DATABASE_PATH}/group-indexes`;

interface CollectionPage {
  collections: { name: string }[];
  next_cursor: string | null;
}

export class Database {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `T` is what the documents look like, without `_id`; nothing is sent. */
  collection<T extends object = Record<string, unknown>>(name: string): Collection<T> {
    return new Collection<T>(this.#transport, name);
  }

  /** All names in order, those that start with `prefix` where one is given. */
  async listCollections(prefix = "", options: CallOptions = {}): Promise<string[]> {
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ prefix, ...(cursor !== null && { cursor }) });
      const page: CollectionPage = await this.#transport.json({
        ...options,
        method: "GET",
        path: `${DATABASE_PATH}/collections?${query}`,
      });
      names.push(...page.collections.map((collection) => collection.name));
      cursor = page.next_cursor;
    } while (cursor !== null);
    return names;
  }

  /** Fails with `collection_exists` where the name is taken. */
  async createCollection(
    name: string,
    options: CallOptions & { rules?: Rules } = {},
  ): Promise<void> {
    const { rules, ...call } = options;
    const path = `${DATABASE_PATH}/collections`;
    await this.#transport.call({ ...call, method: "POST", path, body: { name, rules } });
  }

  async deleteCollection(name: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.call({ ...options, method: "DELETE", path: collectionPath(name) });
  }

  async getRules(name: string, options: CallOptions = {}): Promise<Rules> {
    const path = `${collectionPath(name)}/rules`;
    const answer = await this.#transport.json<{ rules: Rules }>({
      ...options,
      method: "GET",
      path,
    });
    return answer.rules;
  }

  /** Puts these rules in place of all of the collection's rules. */
  async setRules(name: string, rules: Rules, options: CallOptions = {}): Promise<void> {
    const path = `${collectionPath(name)}/rules`;
    await this.#transport.call({
      idempotent: true,
      ...options,
      method: "PUT",
      path,
      body: { rules },
    });
  }

  /** All of the operations or none, across collections. */
  batch(operations: readonly Operation[], options: CallOptions = {}): Promise<BatchResult> {
    const body = { operations };
    return this.#transport.json({ ...options, method: "POST", path: BATCH_PATH, body });
  }

  /**
   * Runs `work` in a transaction and commits. What it reads is one snapshot; where others changed it
   * meanwhile, the whole of `work` is run again, so that it should do nothing but use the transaction.
   */
  transaction<R>(
    work: (transaction: Transaction) => Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    return runTransaction(this.#transport, work, options);
  }

  /** Queries all collections that match `pattern`, in which `*` stands for one whole segment. */
  queryGroup<T extends object = Record<string, unknown>>(
    pattern: string,
    filter: Filter<T>,
    options: GroupQueryOptions = {},
  ): Promise<Page<GroupDocument<T>>> {
    const { sort, limit, cursor, fields, signal, timeoutMs } = options;
    return this.#transport.json({
      method: "POST",
      path: `${DATABASE_PATH}/group/query`,
      body: { pattern, query: filter, sort, limit, cursor: cursor ?? undefined, fields },
      signal,
      timeoutMs,
      idempotent: true,
    });
  }

  /** An index over all collections, present and future, that match `pattern`. */
  createGroupIndex(
    pattern: string,
    spec: IndexSpec,
    options: CallOptions = {},
  ): Promise<GroupIndexInfo> {
    const body = { pattern, ...spec };
    return this.#transport.json({ ...options, method: "POST", path: GROUP_INDEXES_PATH, body });
  }

  async listGroupIndexes(options: CallOptions = {}): Promise<GroupIndexInfo[]> {
    const call = { ...options, method: "GET", path: GROUP_INDEXES_PATH };
    return (await this.#transport.json<{ indexes: GroupIndexInfo[] }>(call)).indexes;
  }

  async deleteGroupIndex(pattern: string, name: string, options: CallOptions = {}): Promise<void> {
    const path = `${GROUP_INDEXES_PATH}/${segment(pattern)}/${segment(name)}`;
    await this.#transport.call({ ...options, method: "DELETE", path });
  }
}
