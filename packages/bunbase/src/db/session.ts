/** Row-level security of PostgreSQL: who a transaction runs as, for policies to look at. */
import { DatabaseError } from "./error.ts";
import type { SqlExecutor } from "./executor.ts";

export interface RowSession {
  /** `current_setting('app.current_user_id', true)` in a policy. */
  userId?: string;
  /** `current_setting('app.current_org_id', true)` in a policy. */
  orgId?: string;
}

/**
 * Runs `fn` in a transaction in which the settings are made; both are set, so that nothing of an outer session
 * shows through. The settings end with the transaction, and so never reach the next user of the connection.
 */
export function withRowSession<T>(
  executor: SqlExecutor,
  { userId = "", orgId = "" }: RowSession,
  fn: (tx: SqlExecutor) => Promise<T>,
): Promise<T> {
  if (executor.dialect !== "postgres")
    throw new DatabaseError(
      "invalid_query",
      "SQLite has no row-level security: filter by the user",
    );
  return executor.transaction(async (tx) => {
    const sql =
      "SELECT set_config('app.current_user_id', $1, true), set_config('app.current_org_id', $2, true)";
    await tx.query(sql, [userId, orgId]);
    return fn(tx);
  });
}
