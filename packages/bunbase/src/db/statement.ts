/** From what a builder was told to the text of its statements. */
import { columnOf, type Names, tableOf } from "./filter.ts";
import { type Fragment, ident, join, raw, sql } from "./fragment.ts";
import { JsonColumn, jsonSelected, jsonValue } from "./json.ts";
import type { Direction } from "./types.ts";

export interface Query {
  names: Names;
  joins: Fragment[];
  conditions: readonly Fragment[];
  /** Empty for all of the base table. */
  columns: readonly (string | JsonColumn)[];
  order: (readonly [string | JsonColumn, Direction])[];
  limit: number | undefined;
  offset: number | undefined;
  group: string[];
  /** By the name in the row. */
  aggregates: Record<string, Fragment> | undefined;
  having: Fragment[];
}

export interface InsertWrite {
  kind: "insert";
  rows: readonly Record<string, unknown>[];
  /** Whether one row was given, and not a list. */
  one: boolean;
  conflict?: { columns: readonly string[]; update: readonly string[] | undefined };
}

export type Write =
  | InsertWrite
  | { kind: "update"; values: Record<string, unknown> }
  | { kind: "delete" };

/** Parameters in one statement: SQLite allows 32,766, PostgreSQL 65,535. */
const PARAMETERS_MAX = 32_766;
/** Rows in one INSERT, which bounds the length of its text. */
const ROWS_MAX = 1_000;

export function selectStatement(query: Query, extra: readonly Fragment[] = []): Fragment {
  const columns = join([...selectedColumns(query), ...extra], ", ");
  const { order, group, having } = query;
  return join(
    [
      sql`SELECT ${columns} FROM ${ident(query.names.base)}`,
      ...query.joins,
      ...where(query.conditions),
      ...list(
        "GROUP BY",
        group.map((column) => columnOf(query.names, column)),
        ", ",
      ),
      ...list("HAVING", having, " AND "),
      ...list(
        "ORDER BY",
        order.map(([column, way]) => ordered(query, column, way)),
        ", ",
      ),
      ...range(query),
    ],
    " ",
  );
}

/** One aggregate over all rows that match. */
export function valueStatement(query: Query, aggregate: Fragment): Fragment {
  const from = sql`SELECT ${aggregate} FROM ${ident(query.names.base)}`;
  return join([from, ...query.joins, ...where(query.conditions)], " ");
}

export function writeStatements(query: Query, write: Write, rows: boolean): Fragment[] {
  const table = ident(query.names.base);
  const tail = [...where(query.conditions), ...(rows ? returning(query) : [])];
  switch (write.kind) {
    case "insert":
      return insertStatements(query, write, rows);
    case "update": {
      const pairs = Object.entries(write.values).filter(([, value]) => value !== undefined);
      if (pairs.length === 0) throw new TypeError("update() was given nothing to change");
      const set = join(
        pairs.map(([column, value]) => sql`${name(column)} = ${value}`),
        ", ",
      );
      return [join([sql`UPDATE ${table} SET ${set}`, ...tail], " ")];
    }
    case "delete":
      return [join([sql`DELETE FROM ${table}`, ...tail], " ")];
  }
}

/** The keys of a row whose values arrive as JSON text. */
export function jsonKeys({ names, columns }: Query): Set<string> {
  const parsed = columns.filter((column) => column instanceof JsonColumn);
  return new Set(names.dialect === "sqlite" ? parsed.map(({ alias }) => alias) : []);
}

/** A column name where SQL allows no table before it. */
function name(column: string): Fragment {
  if (column.includes(".")) throw new TypeError(`${column} must be the name of a column alone`);
  return ident(column);
}

function selectedColumns({ names, columns, group, aggregates }: Query): Fragment[] {
  if (aggregates !== undefined) {
    const made = Object.entries(aggregates);
    return [
      ...group.map((column) => columnOf(names, column)),
      ...made.map(([alias, value]) => sql`${value} AS ${name(alias)}`),
    ];
  }
  if (columns.length === 0) return [sql`${ident(names.base)}.*`];
  return columns.map((column) => selected(names, column));
}

function selected(names: Names, column: string | JsonColumn): Fragment {
  if (column instanceof JsonColumn) {
    const value = jsonSelected(names.dialect, columnOf(names, column.column), column.path);
    return sql`${value} AS ${name(column.alias)}`;
  }
  if (column === "*") return sql`${ident(names.base)}.*`;
  if (column.endsWith(".*")) return sql`${tableOf(names, column.slice(0, -2))}.*`;
  const [given = "", alias] = column.split(" as ");
  const value = columnOf(names, given);
  return alias === undefined ? value : sql`${value} AS ${name(alias)}`;
}

function ordered(query: Query, column: string | JsonColumn, direction: Direction): Fragment {
  const way = direction.toUpperCase();
  if (way !== "ASC" && way !== "DESC") throw new TypeError(`${direction} is neither ASC nor DESC`);
  return sql`${orderedValue(query, column)} ${raw(way)}`;
}

export function orderedValue(query: Query, column: string | JsonColumn): Fragment {
  const { names, aggregates } = query;
  if (column instanceof JsonColumn)
    return jsonValue(names.dialect, columnOf(names, column.column), column.path);
  if (aggregates !== undefined && Object.hasOwn(aggregates, column)) return name(column);
  return columnOf(names, column);
}

function where(conditions: readonly Fragment[]): Fragment[] {
  return list("WHERE", conditions, " AND ");
}

function list(keyword: string, parts: readonly Fragment[], separator: string): Fragment[] {
  return parts.length === 0 ? [] : [sql`${raw(keyword)} ${join(parts, separator)}`];
}

function range({ names, limit, offset }: Query): Fragment[] {
  const parts: Fragment[] = [];
  if (limit !== undefined) parts.push(sql`LIMIT ${limit}`);
  // SQLite has no OFFSET without LIMIT.
  else if (offset !== undefined && names.dialect === "sqlite") parts.push(raw("LIMIT -1"));
  if (offset !== undefined) parts.push(sql`OFFSET ${offset}`);
  return parts;
}

function returning(query: Query): Fragment[] {
  // SQLite takes no `table.*` here.
  const all = query.columns.length === 0 || query.columns.includes("*");
  return [sql`RETURNING ${all ? raw("*") : join(selectedColumns(query), ", ")}`];
}

function insertStatements(query: Query, write: InsertWrite, rows: boolean): Fragment[] {
  return chunks(write.rows).map(({ columns, rows: chunk }) => {
    const table = ident(query.names.base);
    const values = chunk.map((row) => {
      const marks = columns.map((column) => sql`${row[column]}`);
      return sql`(${join(marks, ", ")})`;
    });
    const head =
      columns.length === 0
        ? sql`INSERT INTO ${table} DEFAULT VALUES`
        : sql`INSERT INTO ${table} (${join(columns.map(name), ", ")}) VALUES ${join(values, ", ")}`;
    return join(
      [head, ...onConflict(write.conflict, columns), ...(rows ? returning(query) : [])],
      " ",
    );
  });
}

function onConflict(conflict: InsertWrite["conflict"], columns: readonly string[]): Fragment[] {
  if (conflict === undefined) return [];
  const target = join(conflict.columns.map(name), ", ");
  const update = conflict.update ?? columns.filter((c) => !conflict.columns.includes(c));
  if (update.length === 0) return [sql`ON CONFLICT (${target}) DO NOTHING`];
  const set = update.map((column) => sql`${name(column)} = excluded.${name(column)}`);
  return [sql`ON CONFLICT (${target}) DO UPDATE SET ${join(set, ", ")}`];
}

interface Chunk {
  columns: readonly string[];
  rows: Record<string, unknown>[];
}

/** Rows in their order, cut where the columns change or the statement would grow too long. */
function chunks(rows: readonly Record<string, unknown>[]): Chunk[] {
  const done: Chunk[] = [];
  for (const row of rows) {
    const columns = Object.keys(row).filter((column) => row[column] !== undefined);
    const last = done.at(-1);
    const rowsMax = Math.min(ROWS_MAX, Math.floor(PARAMETERS_MAX / columns.length));
    const fits = last !== undefined && columns.length > 0 && last.rows.length < rowsMax;
    if (fits && sameNames(last.columns, columns)) last.rows.push(row);
    else done.push({ columns, rows: [row] });
  }
  return done;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && b.every((column) => a.includes(column));
}
