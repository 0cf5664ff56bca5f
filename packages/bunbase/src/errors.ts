/** Errors that actions throw: each has a status for HTTP and a code that stays. */

/** What is known of where an error happened. */
export interface ErrorContext {
  traceId?: string;
  actionName?: string;
  moduleName?: string;
  userId?: string;
  [key: string]: unknown;
}

export class BunbaseError extends Error {
  readonly statusCode: number;
  readonly context: ErrorContext;
  /** For programs; the same for ever. */
  readonly code: string = "internal_error";
  /** What the caller may know besides the message. */
  details?: unknown;

  constructor(message: string, statusCode = 500, context: ErrorContext = {}) {
    super(message);
    this.name = new.target.name;
    this.statusCode = statusCode;
    this.context = context;
  }

  /** The same error, with more known about it. */
  withContext(context: ErrorContext): this {
    const copy = Object.create(this, Object.getOwnPropertyDescriptors(this)) as this;
    Object.defineProperty(copy, "context", { value: { ...this.context, ...context } });
    return copy;
  }

  toJSON(): Record<string, unknown> {
    const { name, code, message, statusCode, details } = this;
    return { name, code, message, statusCode, ...(details === undefined ? {} : { details }) };
  }
}

/** Throws `BadRequest`. */
export function badRequest(message?: string, context?: ErrorContext): never {
  throw new BadRequest(message, context);
}

export class BadRequest extends BunbaseError {
  override readonly code: string = "bad_request";
  constructor(message = "Bad Request", context?: ErrorContext) {
    super(message, 400, context);
  }
}

export class Unauthorized extends BunbaseError {
  override readonly code = "unauthorized";
  constructor(message = "Unauthorized", context?: ErrorContext) {
    super(message, 401, context);
  }
}

export class Forbidden extends BunbaseError {
  override readonly code = "forbidden";
  constructor(message = "Forbidden", context?: ErrorContext) {
    super(message, 403, context);
  }
}

export class NotFound extends BunbaseError {
  override readonly code = "not_found";
  constructor(message = "Not Found", context?: ErrorContext) {
    super(message, 404, context);
  }
}

export class Conflict extends BunbaseError {
  override readonly code = "conflict";
  constructor(message = "Conflict", context?: ErrorContext) {
    super(message, 409, context);
  }
}

export class TooManyRequests extends BunbaseError {
  override readonly code = "rate_limited";
  constructor(message = "Too Many Requests", context?: ErrorContext) {
    super(message, 429, context);
  }
}

export class InternalError extends BunbaseError {
  constructor(message = "Internal Error", context?: ErrorContext) {
    super(message, 500, context);
  }
}

export class NotImplemented extends BunbaseError {
  override readonly code = "not_implemented";
  constructor(message = "Not Implemented", context?: ErrorContext) {
    super(message, 501, context);
  }
}

export class ServiceUnavailable extends BunbaseError {
  override readonly code = "unavailable";
  constructor(message = "Service Unavailable", context?: ErrorContext) {
    super(message, 503, context);
  }
}

/** Trying again would fail in the same way. */
export class NonRetriableError extends BunbaseError {
  override readonly code = "bad_request";
  constructor(message = "Not retriable", context?: ErrorContext) {
    super(message, 400, context);
  }
}

/** Actions that call each other in a circle, or too deep. */
export class CircularDependencyError extends BunbaseError {
  override readonly code = "circular_call";
  readonly callStack: readonly string[];
  constructor(actionName: string, callStack: readonly string[]) {
    super(
      `${actionName} is called in its own course: ${[...callStack, actionName].join(" → ")}`,
      500,
    );
    this.callStack = callStack;
  }
}

/** A guard says no. */
export class GuardError extends BunbaseError {
  override readonly code: string;
  constructor(message: string, statusCode = 403, code = CODES[statusCode] ?? "forbidden") {
    super(message, statusCode);
    this.code = code;
  }
}

const CODES: Record<number, string> = {
  400: "bad_request",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  429: "rate_limited",
};

/** One thing that is wrong with a value. */
export interface ValidationProblem {
  /** JSON Pointer into the value, as `/customer/email`; empty for the whole. */
  path: string;
  message: string;
}

/** What goes in or comes out does not have the shape that the action declares. */
export class ActionValidationError extends BunbaseError {
  readonly phase: "input" | "output";
  readonly errors: readonly ValidationProblem[];
  override readonly code: string;
  constructor(phase: "input" | "output", errors: readonly ValidationProblem[]) {
    const list = errors.map(({ path, message }) => `${path || "/"}: ${message}`).join("; ");
    super(`Action ${phase} validation failed: ${list}`, phase === "input" ? 400 : 500);
    this.phase = phase;
    this.errors = errors;
    this.code = phase === "input" ? "invalid_input" : "invalid_output";
    this.details = errors;
  }
}

/** Whether another attempt may end otherwise. */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return !(error instanceof BunbaseError) || error.statusCode >= 500;
}
