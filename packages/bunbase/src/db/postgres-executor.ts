/** PostgreSQL over the pool of Bun's own client. */
import { SQL, type TransactionSQL } from "bun";
import { DatabaseError, fromDriver } from "./error.ts";
import { inOrder, narrow, type SqlExecutor, type SqlResult } from "./executor.ts";

/** Of the pool of one process. */
export interface PoolOptions {
  /** Connections at the most; 10 where absent. */
  maxConnections?: number | undefined;
  /** Milliseconds that one stays which nobody uses; it stays where absent. */
  idleTimeout?: number | undefined;
}

/** As Bun's client takes them. */
export function poolOptions({ maxConnections, idleTimeout }: PoolOptions): SQL.Options {
  return {
    ...(maxConnections === undefined ? {} : { max: maxConnections }),
    // In whole seconds; 0 would be never.
    ...(idleTimeout === undefined ? {} : { idleTimeout: Math.ceil(idleTimeout / 1000) }),
  };
}

/** `source` is an address (`postgres://user:password@host/database`) or a pool that is there already. */
export function postgresExecutor(
  source: string | URL | SQL,
  options: PoolOptions = {},
): SqlExecutor {
  const isAddress = source instanceof URL || typeof source === "string";
  const pool = isAddress ? new SQL(source, poolOptions(options)) : source;
  const transaction: SqlExecutor["transaction"] = (fn) =>
    boxed(fn, (run) => pool.begin((tx) => run(within(tx))));
  return {
    dialect: "postgres",
    query: (text, params) => query(pool, text, params),
    batch: (statements) => transaction((tx) => tx.batch(statements)),
    transaction,
  };
}

/** The executor of an open transaction or savepoint. */
function within(sql: TransactionSQL): SqlExecutor {
  const ask: SqlExecutor["query"] = (text, params) => query(sql, text, params);
  return {
    dialect: "postgres",
    query: ask,
    batch: (statements) => inOrder({ query: ask }, statements),
    transaction: (fn) => boxed(fn, (run) => sql.savepoint((tx) => run(within(tx)))),
  };
}

interface Box<T> {
  value: T;
}

/** The value travels in a box: Bun would wait for each element of an array. */
async function boxed<T>(
  fn: (tx: SqlExecutor) => Promise<T>,
  begin: (run: (tx: SqlExecutor) => Promise<Box<T>>) => Promise<Box<T>>,
): Promise<T> {
  try {
    return (await begin(async (tx) => ({ value: await fn(tx) }))).value;
  } catch (error) {
    throw translated(error);
  }
}

async function query(sql: SQL, text: string, params: readonly unknown[] = []): Promise<SqlResult> {
  try {
    const result = await sql.unsafe(text, params.map(parameter)).values();
    const columns: Bun.SQL.ResultColumn[] = result.columns ?? [];
    const decoders = columns.map(({ type }) => DECODERS[type]);
    const rows = (result as unknown[][]).map((row) => row.map((v, i) => decoded(v, decoders[i])));
    const names = columns.map(({ name }) => name);
    return { columns: names, rows, changes: result.affectedRows, lastInsertId: null };
  } catch (error) {
    throw translated(error);
  }
}

function parameter(value: unknown): unknown {
  if (value === undefined || typeof value === "function" || typeof value === "symbol")
    throw new TypeError(`${String(value)} (${typeof value}) is no value for a database`);
  return value;
}

type Decoder = (value: unknown) => unknown;

/** By the OID of the type; what is not here comes as Bun gives it. */
const DECODERS: Record<number, Decoder> = {
  17: (bytes) => new Uint8Array(bytes as Uint8Array),
  20: (int8) => narrow(BigInt(int8 as string)),
  1700: (numeric) => exactNumber(numeric as string),
};

function decoded(value: unknown, decoder: Decoder | undefined): unknown {
  return value === null || decoder === undefined ? value : decoder(value);
}

/** A double holds 15 decimal digits in any case; a longer number stays text. */
const EXACT_DIGITS_MAX = 15;

function exactNumber(numeric: string): number | string {
  const digits = numeric.replace(/^-?0*\.?0*|\.?0*$|\./g, "").length;
  return digits <= EXACT_DIGITS_MAX ? Number(numeric) : numeric;
}

function translated(error: unknown): unknown {
  if (!(error instanceof SQL.PostgresError) || error instanceof DatabaseError) return error;
  return fromDriver(error, error.errno ?? connectionCode(error.code));
}

/** SQLSTATE 08000 for whatever Bun says of a connection that is not there. */
function connectionCode(code: string): string | undefined {
  return code.startsWith("ERR_POSTGRES_CONNECTION") ? "08000" : undefined;
}
