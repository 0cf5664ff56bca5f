/** What a database can say no with, whichever database it is. */
import { BunbaseError } from "../errors.ts";

/** Status and meaning of each code. */
const STATUS = {
  /** The statement is wrong, or a rule of the table (NOT NULL, CHECK) forbids the row. */
  sql_error: 500,
  /** A unique or foreign key is violated. */
  conflict: 409,
  /** The transaction has ended, or was rolled back because it idled. */
  transaction_gone: 500,
  /** The database is locked, or cannot be reached. Trying again may help. */
  busy: 503,
  /** The answer is larger than one answer may be: ask for less with `limit` or `page`. */
  result_too_large: 500,
  /** `single()` found no row. */
  not_found: 404,
  /** `single()` or `maybeSingle()` found more than one row. */
  multiple_rows: 500,
  /** The query builder was asked for something it does not do. */
  invalid_query: 500,
  /** The cursor given to `page()` is not one of this query. */
  invalid_cursor: 400,
} as const;

export type DatabaseErrorCode = keyof typeof STATUS;

/** With a status of 500 its words are for the log, not for whoever called the action. */
export class DatabaseError extends BunbaseError {
  override readonly code: DatabaseErrorCode;
  /** The database's own: SQLite's result code (`SQLITE_CONSTRAINT_UNIQUE`) or an SQLSTATE (`23505`). */
  readonly sqlCode: string | undefined;

  constructor(code: DatabaseErrorCode, message: string, sqlCode?: string, cause?: Error) {
    super(message, STATUS[code]);
    this.code = code;
    this.sqlCode = sqlCode;
    if (cause !== undefined) this.cause = cause;
  }
}

const UNIQUE = new Set(["SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505"]);
const FOREIGN_KEY = new Set(["SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_TRIGGER", "23503"]);
const BUSY = new Set(["SQLITE_BUSY", "SQLITE_LOCKED", "40001", "40P01", "55P03", "53300", "57P03"]);

/** Whether a unique key was taken already. */
export function isUniqueViolation(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && UNIQUE.has(error.sqlCode ?? "");
}

/** Whether a row points to one that is not there, or is pointed to by one that is. */
export function isForeignKeyViolation(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && FOREIGN_KEY.has(error.sqlCode ?? "");
}

/** The error for what a driver threw with its own `code`. */
export function fromDriver(cause: Error, code: string | undefined): DatabaseError {
  return new DatabaseError(classify(code), cause.message, code, cause);
}

/** The error for the answer `{"error": {code, message, details}}` of the platform. */
export function fromAnswer(status: number, text: string): DatabaseError {
  const { code, message, details } = parsedError(text);
  const known = code !== undefined && Object.hasOwn(STATUS, code);
  const fallback = status === 503 || status === 429 ? "busy" : "sql_error";
  return new DatabaseError(
    known ? (code as DatabaseErrorCode) : fallback,
    message ?? `the database answered ${status}`,
    details?.code,
  );
}

function classify(code: string | undefined): DatabaseErrorCode {
  if (code === undefined) return "sql_error";
  if (UNIQUE.has(code) || FOREIGN_KEY.has(code)) return "conflict";
  return BUSY.has(code) || code.startsWith("08") ? "busy" : "sql_error";
}

interface WireError {
  code?: string;
  message?: string;
  details?: { code?: string };
}

function parsedError(text: string): WireError {
  try {
    return (JSON.parse(text) as { error?: WireError }).error ?? {};
  } catch {
    return {};
  }
}
