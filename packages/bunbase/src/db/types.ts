/** Types of tables, columns and rows. Nothing here exists at run time. */
import type { JsonColumn, JsonScalar } from "./json.ts";

/**
 * The tables of the application. Empty until `bunbase typegen db` writes `.bunbase/database.d.ts`, which adds
 * `table: { Row, Insert, Update }` for each; until then every name is a table, and every column has any type.
 */
// biome-ignore lint/suspicious/noEmptyInterface: augmented by the generated file
export interface Database {}

export interface Table {
  /** As it is read. */
  Row: object;
  /** As it is inserted: columns with a default may be left out. */
  Insert: object;
  Update: object;
}

interface UntypedTable {
  // biome-ignore lint/suspicious/noExplicitAny: nothing is known of the columns, and they are to be used as they are
  Row: Record<string, any>;
  Insert: Record<string, unknown>;
  Update: Record<string, unknown>;
}

/** The tables of `DB`, or any table where none are known. */
export type Tables<DB> = keyof DB extends never ? Record<string, UntypedTable> : DB;

export type TableName<DB> = keyof Tables<DB> & string;

export type Part<DB, T, P extends keyof Table> = T extends keyof Tables<DB>
  ? Tables<DB>[T] extends Table
    ? Tables<DB>[T][P]
    : never
  : never;

export type Row<DB, T> = Part<DB, T, "Row">;
export type Insert<DB, T> = Part<DB, T, "Insert">;
export type Update<DB, T> = Part<DB, T, "Update">;

/** What a query can see: the row of each table in it, by its name or alias. */
export type Scope = Record<string, object>;

/** `table.column` of any table in the query. */
export type Qualified<S> = {
  [A in keyof S & string]: `${A}.${keyof S[A] & string}`;
}[keyof S & string];

/** `column` of the base table, or `table.column` of any. */
export type Column<S, B extends keyof S> = (keyof S[B] & string) | Qualified<S>;

export type ValueOf<S, B extends keyof S, C> = C extends keyof S[B]
  ? S[B][C]
  : C extends `${infer A}.${infer K}`
    ? A extends keyof S
      ? K extends keyof S[A]
        ? S[A][K]
        : never
      : never
    : never;

/** What a filter can look at. */
export type Target<S, B extends keyof S> = Column<S, B> | JsonColumn;

/** What `C` can be compared with. */
export type Operand<S, B extends keyof S, C> = C extends JsonColumn
  ? JsonScalar
  : OrDate<ValueOf<S, B, C>>;

/** SQLite keeps times as numbers, and takes a Date for one. */
type OrDate<V> = number extends V ? V | Date : V;

/** What can be selected: a column, `column as name`, `*`, `table.*`, or a value in a JSON column. */
export type Selection<S, B extends keyof S> =
  | Column<S, B>
  | `${Column<S, B>} as ${string}`
  | "*"
  | `${keyof S & string}.*`
  | JsonColumn;

type Name<C> = C extends `${infer N} as ${string}` ? N : C;

type KeyOf<C> = C extends `${string}.*` | "*"
  ? never
  : C extends `${string} as ${infer A}`
    ? A
    : C extends `${string}.${infer K}`
      ? K
      : C extends string
        ? C
        : never;

type Star<S, B extends keyof S, C> = C extends "*"
  ? S[B]
  : C extends `${infer A}.*`
    ? A extends keyof S
      ? S[A]
      : never
    : never;

type Intersected<U> = (U extends unknown ? (x: U) => void : never) extends (x: infer I) => void
  ? I
  : never;

type Stars<S, B extends keyof S, C> = [Star<S, B, C>] extends [never]
  ? unknown
  : Intersected<Star<S, B, C>>;

type Flat<T> = { [K in keyof T]: T[K] };

/** The row that a select of `C` gives. */
export type Selected<S, B extends keyof S, C> = Flat<
  { [P in Extract<C, string> as KeyOf<P>]: ValueOf<S, B, Name<P>> } & {
    [J in Extract<C, JsonColumn> as J["alias"]]: unknown;
  } & Stars<S, B, C>
>;

/** `table`, or `table as alias`. */
export type TableReference<DB> = TableName<DB> | `${TableName<DB>} as ${string}`;

export type AliasOf<R> = R extends `${string} as ${infer A}` ? A : R;

export type NameOf<R> = R extends `${infer N} as ${string}` ? N : R;

/** A row that may be missing, as after a left join. */
export type Nullable<R> = { [K in keyof R]: R[K] | null };

export type Direction = "ASC" | "DESC" | "asc" | "desc";

/** `{ total: { sum: "amount" }, n: { count: "*" } }`. */
export type Aggregates<S, B extends keyof S> = Record<
  string,
  | { count: "*" | Column<S, B> }
  | { sum: Column<S, B> }
  | { avg: Column<S, B> }
  | { min: Column<S, B> }
  | { max: Column<S, B> }
>;

export type Aggregated<S, B extends keyof S, A> = {
  [K in keyof A]: A[K] extends { count: unknown }
    ? number
    : A[K] extends { min: infer C } | { max: infer C }
      ? ValueOf<S, B, C> | null
      : number | null;
};

/** One row of `R`, which is what a builder resolves to. */
export type One<R> = R extends readonly (infer X)[] ? X : NonNullable<R>;

/** `S` with the table `J` joined to it. */
export type Joined<DB, S extends Scope, J> = S & {
  [A in AliasOf<J> & string]: Row<DB, NameOf<J>> & object;
};

export type LeftJoined<DB, S extends Scope, J> = S & {
  [A in AliasOf<J> & string]: Nullable<Row<DB, NameOf<J>>>;
};

export interface Conflict<S, T extends keyof S> {
  /** The column, or columns, of a unique key. */
  onConflict: (keyof S[T] & string) | readonly (keyof S[T] & string)[];
  update?: readonly (keyof S[T] & string)[];
}

/** `R` with its rows cut down to `Picked`. */
export type Returned<R, Picked> = R extends readonly unknown[] ? Picked[] : Picked | null;
