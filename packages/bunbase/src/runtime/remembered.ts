// The server remembers for a few seconds who somebody is, where they are a member, and what that may. It is told when
// the application itself changes those tables, so that what it does holds from the next call on.

import type { SqlExecutor } from "../db/executor.ts";

const TABLES =
  /\b(users|sessions|api_keys|organizations|org_memberships|subscriptions|plans|features|plan_features|roles|permissions|role_permissions)\b/i;

/** An executor that calls `tell` after it has written to a table that is remembered. */
export function telling(executor: SqlExecutor, tell: () => Promise<void>): SqlExecutor {
  return {
    dialect: executor.dialect,
    async query(sql, params) {
      const result = await executor.query(sql, params);
      if (result.changes > 0 && TABLES.test(sql)) await tell();
      return result;
    },
    async batch(statements) {
      const results = await executor.batch(statements);
      if (statements.some(({ sql }) => TABLES.test(sql))) await tell();
      return results;
    },
    async transaction(fn) {
      let isTouched = false;
      const note = async (): Promise<void> => {
        isTouched = true;
      };
      const value = await executor.transaction((tx) => fn(telling(tx, note)));
      // Before the end nobody else sees it.
      if (isTouched) await tell();
      return value;
    },
  };
}
