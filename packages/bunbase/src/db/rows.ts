/** From a statement to its rows. */
import type { SqlExecutor, SqlResult } from "./executor.ts";
import type { Fragment } from "./fragment.ts";

export type AnyRow = Record<string, unknown>;

export function ask(executor: SqlExecutor, fragment: Fragment): Promise<SqlResult> {
  const { sql: text, params } = fragment.render(executor.dialect);
  return executor.query(text, params);
}

/** Rows as objects; the values under `json` are parsed. */
export function toRows({ columns, rows }: SqlResult, json: ReadonlySet<string>): AnyRow[] {
  return rows.map((values) => {
    const row: AnyRow = {};
    columns.forEach((column, index) => {
      const value = values[index];
      row[column] = json.has(column) && typeof value === "string" ? JSON.parse(value) : value;
    });
    return row;
  });
}
