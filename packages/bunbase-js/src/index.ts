/** Client for BunBase: what one project has, with one of its keys. */
export {
  Auth,
  type AuthEvent,
  type AuthListener,
  type AuthOptions,
  type Session,
  type User,
} from "./auth.ts";
export {
  type BunbaseClient,
  type ClientOptions,
  createClient,
  type Fetch,
  type ProjectClient,
} from "./client.ts";
export {
  Collection,
  type FindOneAndOptions,
  type FindOneAndReplaceOptions,
  type FindOneAndUpdateOptions,
  type IterateOptions,
  type ListOptions,
  type QueryOptions,
  type UpdateMatchingOptions,
  type UpdateOptions,
  type Versioned,
  type WriteOptions,
} from "./collection.ts";
export { Database, type GroupQueryOptions } from "./database.ts";
export { BunbaseError, NetworkError, TimeoutError } from "./errors.ts";
export { type BusEvent, Events, type SubscribeOptions } from "./events.ts";
export { type FetchOptions, Functions, type InvokeOptions } from "./functions.ts";
export { type Entry, type KeyInfo, KeyValue, type SetOptions } from "./kv.ts";
export { type EnqueuedJob, type EnqueueOptions, Queue } from "./queue.ts";
export type { RetryOptions } from "./retry.ts";
export type { SessionStorage } from "./session-storage.ts";
export { type ObjectPage, ObjectStorage, type PutOptions, type StoredObject } from "./storage.ts";
export type { Unsubscribe, WatchOptions } from "./subscription.ts";
export {
  Transaction,
  type TransactionCollection,
  type TransactionOptions,
} from "./transaction.ts";
export type { CallOptions, WireBody } from "./transport.ts";
export type {
  ArrayFilters,
  BatchResult,
  BsonType,
  CollectionOperation,
  Comparison,
  EventOperation,
  Explanation,
  Fields,
  Filter,
  GroupDocument,
  GroupIndexInfo,
  IndexField,
  IndexInfo,
  IndexOptions,
  IndexSpec,
  NewDocument,
  Operation,
  OperationResult,
  Order,
  Page,
  QueryPlan,
  Rules,
  Sort,
  Update,
  UpdateOperators,
  UpdateResult,
  WithId,
} from "./types.ts";
export type { Change, ChangeListener } from "./watch.ts";
