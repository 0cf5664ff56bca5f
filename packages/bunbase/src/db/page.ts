/** Pages by key: the rows after the last one seen, whatever happened to those before it. */
import { DatabaseError } from "./error.ts";
import { columnOf } from "./filter.ts";
import { type Fragment, ident, join, raw, sql } from "./fragment.ts";
import { type Query, selectStatement } from "./statement.ts";
import type { Direction } from "./types.ts";

export interface PageOptions<C extends string = string> {
  /** `next` of the page before. */
  after?: string | null | undefined;
  /** Rows in a page, 50 unless said. */
  limit?: number;
  /** One column or several, each with its direction. */
  orderBy: C | readonly (C | readonly [C, Direction])[];
}

export interface Page<Row> {
  rows: Row[];
  /** Cursor for `after`; null at the end. */
  next: string | null;
}

const DEFAULT_LIMIT = 50;
/** Before the key columns that are read for the cursor, and taken out of the rows. */
const KEY_PREFIX = "_page_key_";

type Key = readonly [column: string, descending: boolean];

export async function runPage<Row>(
  query: Query,
  options: PageOptions,
  fetch: (statement: Fragment) => Promise<Record<string, unknown>[]>,
): Promise<Page<Row>> {
  const limit = options.limit ?? DEFAULT_LIMIT;
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new TypeError(`limit ${limit} is no size of a page`);
  if (query.order.length + query.group.length > 0 || query.offset !== undefined)
    throw new DatabaseError(
      "invalid_query",
      "page() goes without orderBy(), groupBy() and offset()",
    );
  const keys = keysOf(options.orderBy);
  const after = options.after ? [behind(query, keys, decoded(options.after, keys))] : [];
  const paged: Query = {
    ...query,
    conditions: [...query.conditions, ...after],
    order: keys.map(([column, descending]) => [column, descending ? "DESC" : "ASC"] as const),
    limit: limit + 1,
  };
  const rows = await fetch(
    selectStatement(
      paged,
      keys.map(([c], i) => keyColumn(query, c, i)),
    ),
  );
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  const next = last === undefined ? null : encoded(keys, last);
  return { rows: rows.slice(0, limit).map((row) => withoutKeys<Row>(row)), next };
}

function keysOf(orderBy: PageOptions["orderBy"]): Key[] {
  const list = typeof orderBy === "string" ? [orderBy] : orderBy;
  if (list.length === 0) throw new TypeError("page() needs columns to order by");
  return list.map((entry) => {
    const [column, direction = "ASC"] = typeof entry === "string" ? [entry] : entry;
    return [column, direction.toUpperCase() === "DESC"];
  });
}

/** PostgreSQL's times are finer than a Date: as text the value comes back as it was. */
function keyColumn({ names }: Query, column: string, index: number): Fragment {
  const value = columnOf(names, column);
  const exact = names.dialect === "postgres" ? sql`${value}::text` : value;
  return sql`${exact} AS ${ident(`${KEY_PREFIX}${index}`)}`;
}

/** `(a > 1) OR (a = 1 AND b < 2) OR …`, as the directions may differ. */
function behind({ names }: Query, keys: readonly Key[], values: readonly unknown[]): Fragment {
  const branches = keys.map(([column, descending], index) => {
    const same = keys.slice(0, index).map(([c], i) => sql`${columnOf(names, c)} = ${values[i]}`);
    const operator = raw(descending ? "<" : ">");
    const further = sql`${columnOf(names, column)} ${operator} ${values[index]}`;
    return sql`(${join([...same, further], " AND ")})`;
  });
  return sql`(${join(branches, " OR ")})`;
}

function withoutKeys<Row>(row: Record<string, unknown>): Row {
  const kept = Object.entries(row).filter(([column]) => !column.startsWith(KEY_PREFIX));
  return Object.fromEntries(kept) as Row;
}

/** The order stands in the cursor, so that one of another query is refused. */
function orderText(keys: readonly Key[]): string {
  return keys.map(([column, descending]) => `${descending ? "-" : "+"}${column}`).join();
}

function encoded(keys: readonly Key[], row: Record<string, unknown>): string {
  const values = keys.map(([column], index) => {
    const value = row[`${KEY_PREFIX}${index}`];
    if (value === null)
      throw new DatabaseError(
        "invalid_query",
        `page(): ${column} is null in a row; order by another`,
      );
    if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("base64") };
    return typeof value === "bigint" ? { int: value.toString() } : value;
  });
  return Buffer.from(JSON.stringify([orderText(keys), values])).toString("base64url");
}

function decoded(cursor: string, keys: readonly Key[]): unknown[] {
  const refused = new DatabaseError("invalid_cursor", "the cursor is not one of this list");
  try {
    const [order, values] = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (order !== orderText(keys) || values.length !== keys.length) throw refused;
    return (values as unknown[]).map((value) => keyValue(value) ?? raise(refused));
  } catch {
    throw refused;
  }
}

function keyValue(value: unknown): string | number | bigint | Uint8Array | undefined {
  if (typeof value === "string" || typeof value === "number") return value;
  const { int, bytes } = (value ?? {}) as { int?: unknown; bytes?: unknown };
  if (typeof int === "string") return BigInt(int);
  return typeof bytes === "string" ? new Uint8Array(Buffer.from(bytes, "base64")) : undefined;
}

function raise(error: Error): never {
  throw error;
}
