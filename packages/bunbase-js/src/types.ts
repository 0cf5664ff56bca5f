/** Documents, filters, indexes, rules and batch operations, as they stand on the wire. */

export type WithId<T> = T & { _id: string };

/** A document to be created: the server chooses an `_id` where there is none. */
export type NewDocument<T> = T & { _id?: string };

export interface Page<T> {
  documents: T[];
  /** Hand it in as `cursor` for the next page; `null` after the last one. */
  next_cursor: string | null;
}

export interface Comparison<V> {
  $eq?: V;
  $ne?: V;
  $gt?: V;
  $gte?: V;
  $lt?: V;
  $lte?: V;
  $in?: readonly V[];
}

/** Top-level fields are checked against `T`; a dot path such as `"address.city"` takes anything. */
export type Filter<T> = {
  [K in keyof WithId<T>]?: WithId<T>[K] | Comparison<WithId<T>[K]>;
} & {
  $and?: readonly Filter<T>[];
  $or?: readonly Filter<T>[];
  [path: `${string}.${string}`]: unknown;
};

export type Order = 1 | -1;

/** By field in the order written, or as a list where a field has a number for a name. */
export type Sort = Readonly<Record<string, Order>> | readonly { path: string; order: Order }[];

/** Plain fields are set (dot paths reach inside); or operators. */
export type Update<T> =
  | (Partial<T> & { [path: `${string}.${string}`]: unknown })
  | {
      $set?: Readonly<Record<string, unknown>>;
      $unset?: Readonly<Record<string, unknown>>;
      $inc?: Readonly<Record<string, number>>;
    };

/** CEL expressions. What has no rule is closed to public keys; `read` stands in for `list`, and
 * `write` for `create`, `update` and `delete`. */
export type Rules = Partial<
  Record<"read" | "list" | "create" | "update" | "delete" | "write", string>
>;

export interface IndexField {
  path: string;
  order?: Order;
}

export type IndexSpec =
  | { fields: readonly IndexField[]; unique?: boolean; name?: string }
  | { field: string; unique?: boolean; name?: string };

export interface IndexInfo {
  name: string;
  fields: { path: string; order: Order }[];
  unique: boolean;
  state: "building" | "ready" | "failed";
  documents_done?: number;
  /** Why it failed. */
  reason?: string;
}

/** The document has to be at this version. */
interface IfVersion {
  if_version?: number;
}

/** One step of a batch inside one collection. `if_absent` asks that there is no such document. */
export type CollectionOperation<T = object> =
  | { op: "insert"; id?: string; document: NewDocument<T>; if_absent?: boolean }
  | ({ op: "replace"; id: string; document: NewDocument<T>; if_absent?: boolean } & IfVersion)
  | ({ op: "update"; id: string; update: Update<T> } & IfVersion)
  | ({ op: "delete"; id: string } & IfVersion);

export type Operation = CollectionOperation<object> & { collection: string };

export interface BatchResult {
  /** Number of the commit that holds all of the operations. */
  commit: number;
  results: { id: string; version?: number; status: "created" | "changed" | "removed" }[];
}
