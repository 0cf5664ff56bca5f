/** `bunbase/db`: the database client, its builder and executors. */

export { TypedQueryBuilder } from "./db/builder.ts";
export { channelExecutor } from "./db/channel-executor.ts";
export { createDB, DatabaseClient, type HasExecutor, type RawStatement } from "./db/client.ts";
export {
  DatabaseError,
  type DatabaseErrorCode,
  isForeignKeyViolation,
  isUniqueViolation,
} from "./db/error.ts";
export type { Dialect, SqlExecutor, SqlResult, SqlStatement } from "./db/executor.ts";
export type { BaseDatabase } from "./db/framework-tables.ts";
export { json } from "./db/json.ts";
export type { Page, PageOptions } from "./db/page.ts";
export { postgresExecutor } from "./db/postgres-executor.ts";
export type { RowSession } from "./db/session.ts";
export { type BunSqliteExecutor, bunSqliteExecutor } from "./db/sqlite-executor.ts";
export { generateTypes, type TypegenOptions } from "./db/typegen.ts";
export * from "./db/types.ts";
