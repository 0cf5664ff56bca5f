/** Documents, filters, indexes, rules and batch operations, as they stand on the wire. */

export type WithId<T> = T & { _id: string };

/** A document to be created: the server chooses an `_id` where there is none. */
export type NewDocument<T> = T & { _id?: string };

export interface Page<T> {
  documents: T[];
  /** Hand it in as `cursor` for the next page; `null` after the last one. */
  next_cursor: string | null;
}

/** An element of an array, or the value itself: a condition on an array holds where an element fulfils it. */
type Element<V> = V extends readonly (infer E)[] ? E : V;

/** BSON types by name or number. */
export type BsonType = string | number;

/** Conditions on one field. */
export interface Comparison<V> {
  $eq?: V | Element<V>;
  $ne?: V | Element<V>;
  $gt?: V | Element<V>;
  $gte?: V | Element<V>;
  $lt?: V | Element<V>;
  $lte?: V | Element<V>;
  $in?: readonly (V | Element<V>)[];
  $nin?: readonly (V | Element<V>)[];
  $exists?: boolean;
  $type?: BsonType | readonly BsonType[];
  $regex?: string;
  /** Of `$regex`: `i`, `m`, `s`, `x`. */
  $options?: string;
  $all?: readonly Element<V>[];
  $elemMatch?: Element<V> extends object ? Filter<Element<V>> : Comparison<Element<V>>;
  $size?: number;
  $mod?: readonly [divisor: number, remainder: number];
  $not?: Comparison<V>;
}

/** Top-level fields are checked against `T`; a dot path such as `"address.city"` takes anything. */
export type Filter<T> = {
  [K in keyof WithId<T>]?: WithId<T>[K] | Element<WithId<T>[K]> | Comparison<WithId<T>[K]>;
} & {
  $and?: readonly Filter<T>[];
  $or?: readonly Filter<T>[];
  $nor?: readonly Filter<T>[];
  /** An expression over fields: `{ $gt: ["$spent", "$budget"] }`. */
  $expr?: unknown;
  [path: `${string}.${string}`]: unknown;
};

export type Order = 1 | -1;

/** By field in the order written, or as a list where a field has a number for a name. */
export type Sort = Readonly<Record<string, Order>> | readonly { path: string; order: Order }[];

/** What is kept of a document: a list of paths; or paths with 1 (keep) or 0 (leave out), and parts of arrays. */
export type Fields =
  | readonly string[]
  | Readonly<
      Record<
        string,
        | 0
        | 1
        | boolean
        | { $slice: number | readonly [skip: number, limit: number] }
        | { $elemMatch: object }
      >
    >;

interface Dotted<V> {
  readonly [path: `${string}.${string}`]: V;
}

/** Fields of `T` with their values, and dot paths with any. */
type Values<T> = { readonly [K in keyof T]?: T[K] } & Dotted<unknown>;

/** Fields of `T` that hold a `V`. */
type Holding<T, V> = { [K in keyof T as NonNullable<T[K]> extends V ? K : never]: T[K] };

type Numbers<T> = { readonly [K in keyof Holding<T, number>]?: number } & Dotted<number>;

/** For each array of `T` what `F` says of its elements. */
type Pushed<E> =
  | E
  | {
      readonly $each: readonly E[];
      readonly $slice?: number;
      readonly $sort?: Order | Readonly<Record<string, Order>>;
      readonly $position?: number;
    };

type Elements<T, K extends keyof T> = Element<NonNullable<T[K]>>;

type Arrays<T> = Holding<T, readonly unknown[]>;

/** Update operators. Paths may hold `$[]` and `$[name]`; the latter is what an array filter says. */
export interface UpdateOperators<T> {
  $set?: Values<T>;
  $unset?: { readonly [K in keyof T]?: unknown } & Dotted<unknown>;
  $setOnInsert?: Values<T>;
  $inc?: Numbers<T>;
  $mul?: Numbers<T>;
  $min?: Values<T>;
  $max?: Values<T>;
  $rename?: { readonly [K in keyof T]?: string } & Dotted<string>;
  $currentDate?: {
    readonly [K in keyof T]?: true | { $type: "date" | "timestamp" };
  } & Dotted<unknown>;
  $push?: { readonly [K in keyof Arrays<T>]?: Pushed<Elements<T, K & keyof T>> } & Dotted<unknown>;
  $addToSet?: {
    readonly [K in keyof Arrays<T>]?:
      | Elements<T, K & keyof T>
      | { readonly $each: readonly Elements<T, K & keyof T>[] };
  } & Dotted<unknown>;
  $pop?: { readonly [K in keyof Arrays<T>]?: 1 | -1 } & Dotted<1 | -1>;
  $pull?: { readonly [K in keyof Arrays<T>]?: unknown } & Dotted<unknown>;
  $pullAll?: {
    readonly [K in keyof Arrays<T>]?: readonly Elements<T, K & keyof T>[];
  } & Dotted<readonly unknown[]>;
  $bit?: {
    readonly [K in keyof Holding<T, number>]?: { and?: number; or?: number; xor?: number };
  } & Dotted<unknown>;
}

/** Plain fields are set (dot paths reach inside); or operators. */
export type Update<T> =
  | (Partial<T> & { [path: `${string}.${string}`]: unknown })
  | UpdateOperators<T>;

/** A filter over the elements of an array for each `$[name]`: `{ "name.price": { $gt: 5 } }`. */
export type ArrayFilters = readonly Readonly<Record<string, unknown>>[];

/** What `updateOne` and `updateMany` did. */
export interface UpdateResult {
  matched: number;
  modified: number;
  /** The document that `upsert` created. */
  upserted_id: string | null;
}

export interface QueryPlan {
  /** `null` for a scan in the order of ids. */
  index: string | null;
  bound_fields: number;
  ordered: boolean;
  covered: boolean;
  estimated_examined: number;
  estimated_cost: number;
}

/** How a query was answered. */
export interface Explanation {
  plan: QueryPlan;
  rejected: QueryPlan[];
  returned: number;
  keys_examined: number;
  documents_examined: number;
  time_ms: number;
}

/** A document of one of several collections. */
export interface GroupDocument<T> {
  collection: string;
  document: WithId<T>;
}

/** CEL expressions. What has no rule is closed to public keys; `read` stands in for `list`, and
 * `write` for `create`, `update` and `delete`. */
export type Rules = Partial<
  Record<"read" | "list" | "create" | "update" | "delete" | "write", string>
>;

export interface IndexField {
  path: string;
  order?: Order;
}

export interface IndexOptions {
  /** Two documents may not share a key. */
  unique?: boolean;
  /** Documents without any of the fields have no entry. */
  sparse?: boolean;
  /** Only documents that match have entries. */
  partial?: object;
  /** Documents are removed so many seconds after the date in the (only) field. */
  expire_after_seconds?: number;
  name?: string;
}

export type IndexSpec = IndexOptions & ({ fields: readonly IndexField[] } | { field: string });

export interface IndexInfo {
  name: string;
  fields: { path: string; order: Order }[];
  unique: boolean;
  sparse: boolean;
  partial?: object;
  expire_after_seconds?: number;
  state: "building" | "ready" | "failed";
  documents_done?: number;
  /** Why it failed. */
  reason?: string;
}

/** An index over all collections that match `pattern`, with `*` for one whole segment. */
export interface GroupIndexInfo extends IndexInfo {
  pattern: string;
}

/** The document has to be at this version. */
interface IfVersion {
  if_version?: number;
}

/** One step of a batch inside one collection. `if_absent` asks that there is no such document. */
export type CollectionOperation<T = object> =
  | { op: "insert"; id?: string; document: NewDocument<T>; if_absent?: boolean }
  | ({ op: "replace"; id: string; document: NewDocument<T>; if_absent?: boolean } & IfVersion)
  | ({ op: "update"; id: string; update: Update<T>; array_filters?: ArrayFilters } & IfVersion)
  | ({ op: "delete"; id: string } & IfVersion)
  | {
      op: "update_matching";
      query: Filter<T>;
      update: Update<T>;
      array_filters?: ArrayFilters;
      many?: boolean;
      upsert?: boolean;
    }
  | { op: "delete_matching"; query: Filter<T>; many?: boolean }
  | ({
      op: "find_and_modify";
      query: Filter<T>;
      sort?: Sort;
      upsert?: boolean;
      fields?: Fields;
      return?: "before" | "after";
    } & (
      | { update: Update<T>; array_filters?: ArrayFilters }
      | { replacement: T }
      | { remove: true }
    ));

/** Published, or queued, once the batch is durable; at least once, told apart by its id. */
export type EventOperation =
  | { op: "emit"; topic: string; payload: unknown }
  | { op: "enqueue"; queue: string; payload: unknown; options?: object };

export type Operation = (CollectionOperation<object> & { collection: string }) | EventOperation;

/** What one operation did; which fields there are depends on `status`. */
export type OperationResult =
  | { status: "created" | "changed"; id: string; version?: number }
  | { status: "removed"; id: string }
  | ({ status: "updated" } & UpdateResult)
  | { status: "deleted"; deleted: number }
  | { status: "found"; document: Record<string, unknown> | null }
  | { status: "noted" };

export interface BatchResult {
  /** Number of the commit that holds all of the operations; `null` inside a transaction. */
  commit: number | null;
  results: OperationResult[];
}
