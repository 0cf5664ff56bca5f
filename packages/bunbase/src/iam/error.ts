/** What the services of users, organisations, roles and subscriptions refuse. */

import { BunbaseError } from "../errors.ts";

const STATUS = {
  invalid_input: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
} as const;

export type ServiceErrorCode = keyof typeof STATUS;

/** Its message may be shown to whoever asked. */
export class ServiceError extends BunbaseError {
  override readonly code: ServiceErrorCode;

  constructor(code: ServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, STATUS[code]);
    this.code = code;
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** The row, or `not_found`. */
export function found<T>(row: T | null | undefined, what: string): T {
  if (row === null || row === undefined) throw new ServiceError("not_found", `no such ${what}`);
  return row;
}
