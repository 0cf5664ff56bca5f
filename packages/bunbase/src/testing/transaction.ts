import type { DatabaseClient } from "../db.ts";

/** Runs `fn` in a transaction that is undone, whatever happens, and gives back what it gave. */
export async function withTestTransaction<DB, T>(
  db: DatabaseClient<DB>,
  fn: (tx: DatabaseClient<DB>) => Promise<T>,
): Promise<T> {
  const undone = new Error("undone");
  let value: { of: T } | undefined;
  try {
    await db.transaction(async (tx) => {
      value = { of: await fn(tx) };
      throw undone;
    });
  } catch (error) {
    if (error !== undone || value === undefined) throw error;
  }
  return (value as { of: T }).of;
}
