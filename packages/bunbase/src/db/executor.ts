/**
 * What runs SQL: the contract between the query builder and a database. Parameters are `?1`, `?2`, … on SQLite and
 * `$1`, `$2`, … on PostgreSQL.
 */

export type Dialect = "sqlite" | "postgres";

export interface SqlStatement {
  sql: string;
  /**
   * null, boolean, number, bigint, string, Uint8Array, Date (milliseconds since the epoch on SQLite), and plain
   * objects and arrays (JSON).
   */
  params: readonly unknown[];
}

export interface SqlResult {
  columns: string[];
  /** Integers beyond 2^53 are bigints, bytes are Uint8Arrays. */
  rows: unknown[][];
  /** How many rows were inserted, changed or deleted. */
  changes: number;
  /** The rowid of the last inserted row; null on PostgreSQL. */
  lastInsertId: number | bigint | null;
}

export interface SqlExecutor {
  readonly dialect: Dialect;
  query(sql: string, params?: readonly unknown[]): Promise<SqlResult>;
  /** All of `statements`, or none of them. */
  batch(statements: readonly SqlStatement[]): Promise<SqlResult[]>;
  /**
   * Runs `fn` in a transaction: committed when its promise resolves, rolled back when it rejects. On the executor of
   * a transaction it makes a savepoint; savepoints of one transaction must not overlap.
   */
  transaction<T>(fn: (tx: SqlExecutor) => Promise<T>): Promise<T>;
}

/** One after the other, for where a transaction is open already. */
export async function inOrder(
  executor: Pick<SqlExecutor, "query">,
  statements: readonly SqlStatement[],
): Promise<SqlResult[]> {
  const results: SqlResult[] = [];
  for (const { sql, params } of statements) results.push(await executor.query(sql, params));
  return results;
}

/** Runs `fn` between SAVEPOINT and RELEASE. `depth` names it, and is 1 for the outermost. */
export async function inSavepoint<T>(
  query: (sql: string) => Promise<unknown>,
  depth: number,
  fn: () => Promise<T>,
): Promise<T> {
  const name = `s${depth}`;
  await query(`SAVEPOINT ${name}`);
  try {
    const value = await fn();
    await query(`RELEASE ${name}`);
    return value;
  } catch (error) {
    await query(`ROLLBACK TO ${name}`);
    await query(`RELEASE ${name}`);
    throw error;
  }
}

/** A parameter as SQLite stores it: null, number, bigint, string or bytes. */
export function sqliteValue(value: unknown): null | number | bigint | string | Uint8Array {
  if (value === null || typeof value === "string" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.getTime();
  if (typeof value === "object" && !(value instanceof Date)) return JSON.stringify(value);
  throw new TypeError(`${String(value)} (${typeof value}) is no value for a database`);
}

/** `value` as a number where that loses nothing. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
