/** The query builder: collects what is asked for, and runs it when it is awaited. */
import { DatabaseError } from "./error.ts";
import type { SqlExecutor, SqlResult } from "./executor.ts";
import { columnOf, Filter } from "./filter.ts";
import { type Fragment, ident, raw, sql } from "./fragment.ts";
import type { JsonColumn } from "./json.ts";
import { type Page, type PageOptions, runPage } from "./page.ts";
import { type AnyRow, ask, toRows } from "./rows.ts";
import { type RowSession, withRowSession } from "./session.ts";
import {
  jsonKeys,
  type Query,
  selectStatement,
  valueStatement,
  type Write,
  writeStatements,
} from "./statement.ts";
import type {
  Aggregated,
  Aggregates,
  Column,
  Conflict,
  Direction,
  Insert,
  Joined,
  LeftJoined,
  One,
  Qualified,
  Returned,
  Scope,
  Selected,
  Selection,
  TableReference,
  Target,
  Update,
} from "./types.ts";

export interface RunOptions {
  /** Runs the statement as this user, for the policies of PostgreSQL. */
  session?: RowSession;
}

const OPERATORS = { eq: "=", neq: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/**
 * One query on a table. Methods change the builder and give it back; it runs when awaited, or by `exec`, `single`,
 * `maybeSingle`, `count`, `page` and the like, and again each time. Filters may stand before or after `insert`,
 * `update` and `delete`.
 *
 * `DB` has the tables, `T` is the base table, `S` what the query can see, `R` what it resolves to.
 */
export class TypedQueryBuilder<DB, T extends keyof S & string, S extends Scope, R>
  extends Filter<S, T>
  implements PromiseLike<R>
{
  readonly #executor: SqlExecutor;
  readonly #query: Query;
  #write: Write | undefined;
  #all = false;
  #rows = true;

  constructor(executor: SqlExecutor, table: string) {
    super({ dialect: executor.dialect, base: table, aliases: new Set([table]) });
    this.#executor = executor;
    this.#query = {
      names: this.names,
      joins: [],
      conditions: this.conditions,
      columns: [],
      order: [],
      limit: undefined,
      offset: undefined,
      group: [],
      aggregates: undefined,
      having: [],
    };
  }

  /** All columns of the base table unless said. */
  select<const C extends readonly Selection<S, T>[]>(
    ...columns: C
  ): TypedQueryBuilder<DB, T, S, Selected<S, T, C[number]>[]>;
  select<const C extends readonly Selection<S, T>[]>(
    columns: C,
  ): TypedQueryBuilder<DB, T, S, Selected<S, T, C[number]>[]>;
  select(...columns: unknown[]): unknown {
    this.#query.columns = columns.flat() as (string | JsonColumn)[];
    return this;
  }

  /** Rows for which `left = right`: `.innerJoin("users", "tasks.user_id", "users.id")`. */
  innerJoin<const J extends TableReference<DB>>(
    table: J,
    left: Qualified<Joined<DB, S, J>>,
    right: Qualified<Joined<DB, S, J>>,
  ): TypedQueryBuilder<DB, T, Joined<DB, S, J>, R> {
    return this.#join("JOIN", table, [left, right]);
  }

  /** Like `innerJoin`, with null for the columns of `table` where it has no such row. */
  leftJoin<const J extends TableReference<DB>>(
    table: J,
    left: Qualified<Joined<DB, S, J>>,
    right: Qualified<Joined<DB, S, J>>,
  ): TypedQueryBuilder<DB, T, LeftJoined<DB, S, J>, R> {
    return this.#join("LEFT JOIN", table, [left, right]);
  }

  /** May be said several times; the first counts most. */
  orderBy(column: Target<S, T> | (string & {}), direction: Direction = "ASC"): this {
    this.#query.order.push([column, direction]);
    return this;
  }

  limit(rows: number): this {
    this.#query.limit = counted("limit", rows);
    return this;
  }

  offset(rows: number): this {
    this.#query.offset = counted("offset", rows);
    return this;
  }

  groupBy(...columns: Column<S, T>[]): this {
    this.#query.group.push(...columns);
    return this;
  }

  /** One row for each group, with its columns and `aggregates`: `{ total: { sum: "amount" } }`. */
  aggregate<const A extends Aggregates<S, T>>(
    aggregates: A,
  ): TypedQueryBuilder<DB, T, S, (Aggregated<S, T, A> & Partial<S[T]>)[]> {
    const made = Object.entries(aggregates).map(([alias, spec]) => {
      const [fn = "", column = ""] = Object.entries(spec)[0] ?? [];
      return [alias, this.#aggregated(fn, column)] as const;
    });
    this.#query.aggregates = Object.fromEntries(made);
    return this.#as();
  }

  /** Only groups whose aggregate `alias` compares with `value`. Stands after `aggregate`. */
  having(alias: string, operator: keyof typeof OPERATORS, value: unknown): this {
    const aggregate = this.#query.aggregates?.[alias];
    if (aggregate === undefined) throw new TypeError(`having(): there is no aggregate ${alias}`);
    this.#query.having.push(sql`${aggregate} ${raw(OPERATORS[operator])} ${value}`);
    return this;
  }

  /** Resolves to the row as stored; with a list, to all of them. Many rows are one transaction. */
  insert(row: Insert<DB, T>): TypedQueryBuilder<DB, T, S, S[T] | null>;
  insert(rows: readonly Insert<DB, T>[]): TypedQueryBuilder<DB, T, S, S[T][]>;
  insert(rows: Insert<DB, T> | readonly Insert<DB, T>[]): unknown {
    return this.#insert(rows);
  }

  /**
   * Inserts, or changes the row that has the same `onConflict` columns: its `update` columns, or all that were
   * given. With `update: []` the row stays as it is, and is not in the result.
   */
  upsert(row: Insert<DB, T>, on: Conflict<S, T>): TypedQueryBuilder<DB, T, S, S[T] | null>;
  upsert(rows: readonly Insert<DB, T>[], on: Conflict<S, T>): TypedQueryBuilder<DB, T, S, S[T][]>;
  upsert(rows: Insert<DB, T> | readonly Insert<DB, T>[], on: Conflict<S, T>): unknown {
    const columns = typeof on.onConflict === "string" ? [on.onConflict] : on.onConflict;
    return this.#insert(rows, { columns, update: on.update });
  }

  /** Changes the rows that match the filters, and resolves to them. */
  update(
    values: { [K in keyof Update<DB, T>]: Update<DB, T>[K] | Fragment },
  ): TypedQueryBuilder<DB, T, S, S[T][]> {
    this.#write = { kind: "update", values: values as AnyRow };
    return this.#as();
  }

  /** Deletes the rows that match the filters, and resolves to what they were. */
  delete(): TypedQueryBuilder<DB, T, S, S[T][]> {
    this.#write = { kind: "delete" };
    return this.#as();
  }

  /** Says that `update` or `delete` without a filter means every row. */
  all(): this {
    this.#all = true;
    return this;
  }

  /** Which columns a write gives back: all unless said, none with an empty list. */
  returning<const C extends readonly Selection<S, T>[]>(
    columns: C,
  ): TypedQueryBuilder<DB, T, S, Returned<R, Selected<S, T, C[number]>>> {
    this.#query.columns = columns;
    this.#rows = columns.length > 0;
    return this.#as();
  }

  // biome-ignore lint/suspicious/noThenProperty: a builder runs when it is awaited
  then<A = R, E = never>(
    resolved?: ((value: R) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<A | E> {
    return this.exec().then(resolved, rejected);
  }

  async exec(options: RunOptions = {}): Promise<R> {
    const rows = await this.#within(options, (executor) => this.#fetch(executor));
    const one = this.#write?.kind === "insert" && this.#write.one;
    return (one ? (rows[0] ?? null) : rows) as R;
  }

  /** The one row there is: `not_found` without any, `multiple_rows` with more, and then nothing is written. */
  async single(options: RunOptions = {}): Promise<One<R>> {
    const row = await this.maybeSingle(options);
    if (row === null) throw new DatabaseError("not_found", `no such row in ${this.names.base}`);
    return row;
  }

  /** The one row there is, or null; `multiple_rows` with more, and then nothing is written. */
  async maybeSingle(options: RunOptions = {}): Promise<One<R> | null> {
    const one = async (executor: SqlExecutor) => {
      const rows = await this.#fetch(executor, 2);
      if (rows.length <= 1) return (rows[0] ?? null) as One<R> | null;
      const message = `more than one row in ${this.names.base} matches`;
      throw new DatabaseError("multiple_rows", message);
    };
    const write = this.#write !== undefined;
    return this.#within(options, (executor) => (write ? executor.transaction(one) : one(executor)));
  }

  /** How many rows match, whatever `limit` says; of a write, how many it changed. */
  async count(options: RunOptions = {}): Promise<number> {
    return this.#within(options, async (executor) => {
      if (this.#write === undefined) return this.#value<number>(executor, raw("count(*)"));
      const results = await this.#run(executor, this.#writes(false));
      return results.reduce((sum, { changes }) => sum + changes, 0);
    });
  }

  /** Of all rows that match, whatever `limit` says; null without any. So are the three below. */
  sum(column: Column<S, T>, options: RunOptions = {}): Promise<number | null> {
    return this.#one("sum", column, options);
  }

  avg(column: Column<S, T>, options: RunOptions = {}): Promise<number | null> {
    return this.#one("avg", column, options);
  }

  min<V = number>(column: Column<S, T>, options: RunOptions = {}): Promise<V | null> {
    return this.#one("min", column, options);
  }

  max<V = number>(column: Column<S, T>, options: RunOptions = {}): Promise<V | null> {
    return this.#one("max", column, options);
  }

  /**
   * A page of rows, and the cursor of the next one. `orderBy` columns must be unique together and not null; what is
   * inserted or deleted meanwhile neither repeats nor hides other rows.
   */
  page(options: PageOptions<Column<S, T>> & RunOptions): Promise<Page<One<R>>> {
    this.#readsOnly("page()");
    const keys = jsonKeys(this.#query);
    return this.#within(options, (executor) =>
      runPage<One<R>>(this.#query, options, async (statement) =>
        toRows(await ask(executor, statement), keys),
      ),
    );
  }

  #as<B>(): B {
    return this as unknown as B;
  }

  #join<B>(kind: string, reference: string, [left, right]: [string, string]): B {
    const [table = "", alias = table] = reference.split(" as ");
    if (this.names.aliases.has(alias)) throw new TypeError(`${alias} is in the query already`);
    this.names.aliases.add(alias);
    const on = sql`${columnOf(this.names, left)} = ${columnOf(this.names, right)}`;
    const named = alias === table ? ident(table) : sql`${ident(table)} AS ${ident(alias)}`;
    this.#query.joins.push(sql`${raw(kind)} ${named} ON ${on}`);
    return this.#as();
  }

  #aggregated(fn: string, column: string): Fragment {
    if (!["count", "sum", "avg", "min", "max"].includes(fn))
      throw new TypeError(`${fn} is no aggregate`);
    const of = column === "*" ? raw("*") : columnOf(this.names, column);
    return sql`${raw(fn)}(${of})`;
  }

  #insert(rows: object | readonly object[], conflict?: Conflicting): this {
    const list = (Array.isArray(rows) ? rows : [rows]) as AnyRow[];
    const one = !Array.isArray(rows);
    this.#write = { kind: "insert", rows: list, one, ...(conflict ? { conflict } : {}) };
    return this;
  }

  async #one<V>(fn: string, column: string, options: RunOptions): Promise<V> {
    this.#readsOnly(`${fn}()`);
    const value = this.#aggregated(fn, column);
    return this.#within(options, (executor) => this.#value<V>(executor, value));
  }

  /** `aggregate` of all rows that match. */
  async #value<V>(executor: SqlExecutor, aggregate: Fragment): Promise<V> {
    if (this.#query.group.length > 0) throw this.#misuse("of groups there is aggregate()");
    const statement = valueStatement(this.#query, aggregate);
    return (await ask(executor, statement)).rows[0]?.[0] as V;
  }

  #within<V>(options: RunOptions, fn: (executor: SqlExecutor) => Promise<V>): Promise<V> {
    if (options.session === undefined) return fn(this.#executor);
    return withRowSession(this.#executor, options.session, fn);
  }

  /** The rows of the query; of a read, no more than `most`. */
  async #fetch(executor: SqlExecutor, most?: number): Promise<AnyRow[]> {
    const keys = jsonKeys(this.#query);
    if (this.#write === undefined) {
      const limit = Math.min(most ?? Number.POSITIVE_INFINITY, this.#query.limit ?? Infinity);
      const query = { ...this.#query, limit: Number.isFinite(limit) ? limit : undefined };
      return toRows(await ask(executor, selectStatement(query)), keys);
    }
    const results = await this.#run(executor, this.#writes(this.#rows));
    return results.flatMap((result) => toRows(result, keys));
  }

  #run(executor: SqlExecutor, statements: Fragment[]): Promise<SqlResult[]> {
    const [first, ...others] = statements.map((statement) => statement.render(executor.dialect));
    if (first === undefined) return Promise.resolve([]);
    if (others.length > 0) return executor.batch([first, ...others]);
    return executor.query(first.sql, first.params).then((result) => [result]);
  }

  #writes(rows: boolean): Fragment[] {
    const write = this.#write as Write;
    const { joins, order, limit, offset, aggregates } = this.#query;
    const { kind } = write;
    if (joins.length + order.length > 0 || (limit ?? offset ?? aggregates) !== undefined)
      throw this.#misuse(`${kind}() goes without joins, orderBy, limit, offset and aggregate`);
    const filtered = this.conditions.length > 0;
    if (kind === "insert" && filtered) throw this.#misuse("insert() goes without filters");
    if (kind !== "insert" && !filtered && !this.#all)
      throw this.#misuse(`${kind}() without a filter: add one, or .all() for every row`);
    return writeStatements(this.#query, write, rows);
  }

  #readsOnly(what: string): void {
    if (this.#write !== undefined) throw this.#misuse(`${what} is for reading`);
  }

  #misuse(message: string): DatabaseError {
    return new DatabaseError("invalid_query", `${this.names.base}: ${message}`);
  }
}

interface Conflicting {
  columns: readonly string[];
  update: readonly string[] | undefined;
}

function counted(what: string, rows: number): number {
  if (Number.isSafeInteger(rows) && rows >= 0) return rows;
  throw new TypeError(`${what}(${rows}) is no number of rows`);
}
