/**
 * What can go wrong in a call: the server said no (`BunbaseError`), the server could not be
 * reached (`NetworkError`), or no answer came in time (`TimeoutError`). One `catch` on
 * `BunbaseError` sees all three. An abort by the caller is thrown as the signal's own reason.
 */

export interface ErrorFields {
  code: string;
  message: string;
  /** HTTP status; 0 where no answer arrived. */
  status: number;
  details?: unknown;
  requestId?: string | undefined;
  /** Seconds after which the server wants to be asked again. */
  retryAfter?: number | undefined;
  cause?: unknown;
}

export class BunbaseError extends Error {
  override name = "BunbaseError";
  readonly code: string;
  readonly status: number;
  readonly details: unknown;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(fields: ErrorFields) {
    super(fields.message, { cause: fields.cause });
    this.code = fields.code;
    this.status = fields.status;
    this.details = fields.details;
    this.requestId = fields.requestId;
    this.retryAfter = fields.retryAfter;
  }
}

/** No answer, or only a part of one: whether a write took effect is unknown. */
export class NetworkError extends BunbaseError {
  override name = "NetworkError";

  constructor(what: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super({ code: "network_error", status: 0, message: `${what} failed: ${reason}`, cause });
  }
}

/** The attempt took longer than `timeoutMs`: whether a write took effect is unknown. */
export class TimeoutError extends BunbaseError {
  override name = "TimeoutError";

  constructor(what: string, timeoutMs: number) {
    super({ code: "timeout", status: 0, message: `${what} gave no answer in ${timeoutMs} ms` });
  }
}

/** Turns an answer with an error status into an error; `text` is its body. */
export function errorFromResponse(response: Response, text: string): BunbaseError {
  const body = parseJson(text);
  const error = field(body, "error");
  const code = field(error, "code");
  const message = field(error, "message");
  const requestId = field(error, "request_id") ?? response.headers.get("x-request-id");
  return new BunbaseError({
    code: typeof code === "string" ? code : `http_${response.status}`,
    message: typeof message === "string" ? message : `the server answered ${response.status}`,
    status: response.status,
    details: typeof code === "string" ? field(error, "details") : (body ?? text),
    requestId: typeof requestId === "string" ? requestId : undefined,
    retryAfter: retryAfterSeconds(response.headers.get("retry-after"), Date.now()),
  });
}

/** `Retry-After` is either seconds or an HTTP date (RFC 9110 §10.2.3). */
export function retryAfterSeconds(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, (atMs - nowMs) / 1000);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}
