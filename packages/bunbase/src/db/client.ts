/** The client: tables, transactions, raw statements. */
import { SQL } from "bun";
import { TypedQueryBuilder } from "./builder.ts";
import { channelExecutor } from "./channel-executor.ts";
import type { SqlExecutor, SqlResult } from "./executor.ts";
import { Fragment, ident, sql } from "./fragment.ts";
import { type PoolOptions, postgresExecutor } from "./postgres-executor.ts";
import { ask, toRows } from "./rows.ts";
import { type RowSession, withRowSession } from "./session.ts";
import type { Database, Row, TableName } from "./types.ts";

/** Whatever has a database: a client with any tables, or one inside a transaction. */
export interface HasExecutor {
  readonly executor: SqlExecutor;
}

export class DatabaseClient<DB = Database> implements HasExecutor {
  constructor(readonly executor: SqlExecutor) {}

  from<T extends TableName<DB>>(
    table: T,
  ): TypedQueryBuilder<DB, T, { [K in T]: Row<DB, T> & object }, Row<DB, T>[]> {
    return new TypedQueryBuilder(this.executor, table);
  }

  /**
   * A statement of your own: ``await db.sql`SELECT * FROM ${db.ident(table)} WHERE id = ${id}` ``. Values are bound;
   * a statement may be put into another as it is.
   */
  sql<R = Record<string, unknown>>(
    strings: TemplateStringsArray,
    ...values: readonly unknown[]
  ): RawStatement<R> {
    const { texts, values: bound } = sql(strings, ...values);
    return new RawStatement<R>(this.executor, texts, bound);
  }

  /** The name that `sql` had before. */
  raw<R = Record<string, unknown>>(
    strings: TemplateStringsArray,
    ...values: readonly unknown[]
  ): RawStatement<R> {
    return this.sql<R>(strings, ...values);
  }

  /** The quoted name of a table or column, for `sql`. */
  ident(name: string): Fragment {
    return ident(name);
  }

  /**
   * Runs `fn` with a client whose statements are one transaction: kept when its promise resolves, undone when it
   * rejects. Inside another transaction only its own part is undone.
   */
  transaction<V>(fn: (tx: DatabaseClient<DB>) => PromiseLike<V>): Promise<V> {
    return this.executor.transaction(async (tx) => fn(new DatabaseClient(tx)));
  }

  /**
   * PostgreSQL: a transaction whose policies see `session` as `current_setting('app.current_user_id', true)` and
   * `current_setting('app.current_org_id', true)`.
   */
  withSession<V>(session: RowSession, fn: (tx: DatabaseClient<DB>) => PromiseLike<V>): Promise<V> {
    return withRowSession(this.executor, session, async (tx) => fn(new DatabaseClient(tx)));
  }
}

/** Runs when it is awaited, and resolves to its rows. */
export class RawStatement<R> extends Fragment implements PromiseLike<R[]> {
  readonly #executor: SqlExecutor;

  constructor(executor: SqlExecutor, texts: readonly string[], values: readonly unknown[]) {
    super(texts, values);
    this.#executor = executor;
  }

  // biome-ignore lint/suspicious/noThenProperty: a statement runs when it is awaited
  then<A = R[], E = never>(
    resolved?: ((value: R[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<A | E> {
    const rows = this.run().then((result) => toRows(result, new Set()) as R[]);
    return rows.then(resolved, rejected);
  }

  /** The whole result, with the number of changed rows. */
  async run(): Promise<SqlResult> {
    return ask(this.#executor, this);
  }
}

/**
 * A client. Without `source` it is the application's own database: PostgreSQL where `DATABASE_URL` says so, else
 * the SQLite file that the platform keeps. Clients of one address share one pool, as long as the process runs; it is as
 * the first of them says.
 */
export function createDB<DB = Database>(
  source: SqlExecutor | SQL | string | undefined = postgresAddress(),
  pool: PoolOptions = {},
): DatabaseClient<DB> {
  if (source === undefined) return new DatabaseClient(channelExecutor());
  if (typeof source === "string") return new DatabaseClient(shared(source, pool));
  return new DatabaseClient(source instanceof SQL ? postgresExecutor(source) : source);
}

/** An address of PostgreSQL; `undefined` where it is that of another database, for other programs. */
export function postgresAddress(url = process.env.DATABASE_URL): string | undefined {
  return url !== undefined && /^postgres(ql)?:\/\//.test(url) ? url : undefined;
}

const executors = new Map<string, SqlExecutor>();

function shared(url: string, pool: PoolOptions): SqlExecutor {
  const known = executors.get(url);
  if (known !== undefined) return known;
  const executor = postgresExecutor(url, pool);
  executors.set(url, executor);
  return executor;
}
