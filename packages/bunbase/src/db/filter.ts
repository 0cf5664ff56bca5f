/** Conditions: what stands behind WHERE. */
import type { Dialect } from "./executor.ts";
import { type Fragment, ident, join, raw, sql } from "./fragment.ts";
import {
  JsonColumn,
  type JsonScalar,
  jsonOperand,
  jsonSameType,
  jsonText,
  jsonValue,
} from "./json.ts";
import type { Operand, Target } from "./types.ts";

/** The tables of one query, and its database. */
export interface Names {
  readonly dialect: Dialect;
  /** Name of the table that unqualified columns belong to. */
  readonly base: string;
  /** Names and aliases of all tables, the base among them. */
  readonly aliases: Set<string>;
}

/**
 * The quoted column. It is always qualified: SQLite takes a quoted name that it does not know, and that is not
 * qualified, for a string.
 */
export function columnOf(names: Names, column: string): Fragment {
  const dot = column.lastIndexOf(".");
  const table = dot === -1 ? names.base : column.slice(0, dot);
  return sql`${tableOf(names, table)}.${ident(column.slice(dot + 1))}`;
}

export function tableOf(names: Names, table: string): Fragment {
  if (names.aliases.has(table)) return ident(table);
  throw new TypeError(`${JSON.stringify(table)} is no table of this query: join it first`);
}

type Comparison = "=" | "<>" | ">" | ">=" | "<" | "<=";

/**
 * Conditions that must all hold. As in SQL, a comparison with a column that is null neither holds nor, under
 * {@link not}, fails to; only `null` as a value means `isNull`.
 */
export class Filter<S, B extends keyof S> {
  protected readonly names: Names;
  protected readonly conditions: Fragment[] = [];

  constructor(names: Names) {
    this.names = names;
  }

  eq<C extends Target<S, B>>(column: C, value: Operand<S, B, C>): this {
    return value === null ? this.isNull(column) : this.#compare(column, "=", value);
  }

  neq<C extends Target<S, B>>(column: C, value: Operand<S, B, C>): this {
    return value === null ? this.isNotNull(column) : this.#compare(column, "<>", value);
  }

  gt<C extends Target<S, B>>(column: C, value: NonNullable<Operand<S, B, C>>): this {
    return this.#compare(column, ">", value);
  }

  gte<C extends Target<S, B>>(column: C, value: NonNullable<Operand<S, B, C>>): this {
    return this.#compare(column, ">=", value);
  }

  lt<C extends Target<S, B>>(column: C, value: NonNullable<Operand<S, B, C>>): this {
    return this.#compare(column, "<", value);
  }

  lte<C extends Target<S, B>>(column: C, value: NonNullable<Operand<S, B, C>>): this {
    return this.#compare(column, "<=", value);
  }

  /** From `low` to `high`, both included. */
  between<C extends Target<S, B>>(
    column: C,
    low: NonNullable<Operand<S, B, C>>,
    high: NonNullable<Operand<S, B, C>>,
  ): this {
    return this.gte(column, low).lte(column, high);
  }

  /** `%` stands for any text and `_` for one character; a backslash before them takes that away. */
  like(column: Target<S, B>, pattern: string): this {
    const text = this.#text(column);
    if (this.names.dialect === "sqlite") return this.#add(sql`${text} GLOB ${globOf(pattern)}`);
    return this.#add(sql`${text} LIKE ${checkedPattern(pattern)}`);
  }

  /** `like` without regard to case; on SQLite only that of ASCII letters. */
  ilike(column: Target<S, B>, pattern: string): this {
    const text = this.#text(column);
    const checked = checkedPattern(pattern);
    if (this.names.dialect === "postgres") return this.#add(sql`${text} ILIKE ${checked}`);
    return this.#add(sql`${text} LIKE ${checked} ESCAPE ${raw("'\\'")}`);
  }

  isNull(column: Target<S, B>): this {
    return this.#add(sql`${this.#value(column)} IS NULL`);
  }

  isNotNull(column: Target<S, B>): this {
    return this.#add(sql`${this.#value(column)} IS NOT NULL`);
  }

  /** One of `values`. Without any, no row matches. */
  in<C extends Target<S, B>>(column: C, values: readonly Operand<S, B, C>[]): this {
    const known = values.filter((value) => value !== null);
    const some = this.#oneOf(column, known);
    if (known.length === values.length) return this.#add(some);
    return this.#add(sql`(${some} OR ${this.#value(column)} IS NULL)`);
  }

  /** One of `branches` holds: `.or((q) => q.eq("a", 1), (q) => q.eq("b", 2).gt("c", 3))`. */
  or(...branches: ((filter: Filter<S, B>) => unknown)[]): this {
    const parts = branches.map((branch) => this.#branch(branch));
    return this.#add(parts.length === 0 ? raw("1 = 0") : sql`(${join(parts, " OR ")})`);
  }

  not(branch: (filter: Filter<S, B>) => unknown): this {
    return this.#add(sql`NOT ${this.#branch(branch)}`);
  }

  #branch(branch: (filter: Filter<S, B>) => unknown): Fragment {
    const filter = new Filter<S, B>(this.names);
    branch(filter);
    if (filter.conditions.length === 0) throw new TypeError("a branch of or/not has no condition");
    return sql`(${join(filter.conditions, " AND ")})`;
  }

  #add(condition: Fragment): this {
    this.conditions.push(condition);
    return this;
  }

  #oneOf(column: Target<S, B>, values: readonly unknown[]): Fragment {
    if (values.length === 0) return raw("1 = 0");
    if (column instanceof JsonColumn) {
      return sql`(${join(
        values.map((value) => this.#comparison(column, "=", value)),
        " OR ",
      )})`;
    }
    const marks = values.map((value) => sql`${defined(column, value)}`);
    return sql`${this.#value(column)} IN (${join(marks, ", ")})`;
  }

  #compare(column: Target<S, B>, operator: Comparison, value: unknown): this {
    return this.#add(this.#comparison(column, operator, value));
  }

  #comparison(column: Target<S, B>, operator: Comparison, given: unknown): Fragment {
    const value = defined(column, given);
    const left = this.#value(column);
    if (!(column instanceof JsonColumn)) return sql`${left} ${raw(operator)} ${value}`;
    if (operator === "<>") return sql`NOT ${this.#comparison(column, "=", value)}`;
    const scalar = scalarOf(column, value);
    const { dialect } = this.names;
    const at = columnOf(this.names, column.column);
    const same = jsonSameType(dialect, at, column.path, scalar);
    return sql`(${same} AND ${left} ${raw(operator)} ${jsonOperand(dialect, scalar)})`;
  }

  #value(column: Target<S, B>): Fragment {
    if (!(column instanceof JsonColumn)) return columnOf(this.names, column);
    const { dialect } = this.names;
    return jsonValue(dialect, columnOf(this.names, column.column), column.path);
  }

  #text(column: Target<S, B>): Fragment {
    if (!(column instanceof JsonColumn)) return columnOf(this.names, column);
    return jsonText(this.names.dialect, columnOf(this.names, column.column), column.path);
  }
}

/** `undefined` is a mistake more often than not, and would widen an update or a delete if it were left out. */
function defined(column: string | JsonColumn, value: unknown): unknown {
  if (value !== undefined && value !== null) return value;
  const name = typeof column === "string" ? column : column.column;
  throw new TypeError(`the filter on ${name} was given ${value}`);
}

function scalarOf(column: JsonColumn, value: unknown): JsonScalar {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  throw new TypeError(`${column.column}: JSON compares with a string, number or boolean`);
}

function checkedPattern(pattern: string): string {
  if (/(^|[^\\])(\\\\)*\\$/.test(pattern))
    throw new TypeError("a pattern must not end with a single backslash");
  return pattern;
}

/** SQLite's LIKE does not tell upper from lower case, its GLOB does. */
function globOf(pattern: string): string {
  return checkedPattern(pattern).replace(/\\?./gsu, (token) => {
    if (token === "%") return "*";
    if (token === "_") return "?";
    const character = token.length > 1 && token.startsWith("\\") ? token.slice(1) : token;
    return "*?[".includes(character) ? `[${character}]` : character;
  });
}
