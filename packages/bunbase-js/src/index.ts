/** Client for BunBase: documents and functions of one project. */
export { type BunbaseClient, type ClientOptions, createClient, type Fetch } from "./client.ts";
export {
  Collection,
  type IterateOptions,
  type ListOptions,
  type QueryOptions,
  type Versioned,
  type WriteOptions,
} from "./collection.ts";
export { Database } from "./database.ts";
export { BunbaseError, NetworkError, TimeoutError } from "./errors.ts";
export { type FetchOptions, Functions, type InvokeOptions } from "./functions.ts";
export type { RetryOptions } from "./retry.ts";
export type { CallOptions } from "./transport.ts";
export type {
  BatchResult,
  CollectionOperation,
  Comparison,
  Filter,
  IndexField,
  IndexInfo,
  IndexSpec,
  NewDocument,
  Operation,
  Order,
  Page,
  Rules,
  Sort,
  Update,
  WithId,
} from "./types.ts";
