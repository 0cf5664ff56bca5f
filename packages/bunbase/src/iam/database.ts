/** The services see the framework's tables, whatever tables the application's client knows. */
import { createDB, type DatabaseClient, type HasExecutor } from "../db/client.ts";
import type { BaseDatabase } from "../db/framework-tables.ts";
import { NotFound } from "../errors.ts";

export type FrameworkClient = DatabaseClient<BaseDatabase>;

export function framework(db: HasExecutor): FrameworkClient {
  return createDB<BaseDatabase>(db.executor);
}

/** The row, or `NotFound`. */
export function found<T>(row: T | null | undefined, what: string): T {
  if (row === null || row === undefined) throw new NotFound(`no such ${what}`);
  return row;
}

/** A new id: a UUID of version 7, so that ids sort by their time. */
export function newId(): string {
  return Bun.randomUUIDv7();
}

/** Part of a list. */
export interface Range {
  /** 50 unless said, 500 at most. */
  limit?: number;
  offset?: number;
}

const DEFAULT_LIMIT = 50;
const LIMIT_MAX = 500;

export function rangeOf({ limit = DEFAULT_LIMIT, offset = 0 }: Range): Required<Range> {
  return { limit: Math.min(limit, LIMIT_MAX), offset };
}
