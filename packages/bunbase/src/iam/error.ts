/** What the services of users, organisations, roles and subscriptions refuse. */

const STATUS = {
  invalid_input: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
} as const;

export type ServiceErrorCode = keyof typeof STATUS;

/** Its message may be shown to whoever asked. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: ServiceErrorCode;
  readonly statusCode: number;

  constructor(code: ServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.statusCode = STATUS[code];
  }
}

/** The row, or `not_found`. */
export function found<T>(row: T | null | undefined, what: string): T {
  if (row === null || row === undefined) throw new ServiceError("not_found", `no such ${what}`);
  return row;
}
