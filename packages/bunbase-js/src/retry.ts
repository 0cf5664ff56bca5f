/**
 * When a call is made again, and how long to wait first: exponential backoff with full jitter
 * (each wait is drawn evenly from zero to the bound), or what the server asked for.
 * A write whose outcome is unknown is never made again unless the caller called it idempotent.
 */
import { BunbaseError, NetworkError, TimeoutError } from "./errors.ts";

export interface RetryOptions {
  /** Attempts in all, the first included; 1 turns retries off. */
  attempts: number;
  /** Bound of the first wait, doubled for each further one. */
  baseDelayMs: number;
  /** Bound of any wait; a server that asks for a longer one gets no further attempt. */
  maxDelayMs: number;
}

export const DEFAULT_RETRY: RetryOptions = { attempts: 4, baseDelayMs: 100, maxDelayMs: 10_000 };

export interface Failure {
  error: unknown;
  /** Attempts made so far. */
  attempt: number;
  /** Whether making the call twice does no more than making it once. */
  repeatable: boolean;
}

/** Milliseconds to wait before the next attempt, or `undefined` to give up. */
export function retryDelayMs(
  failure: Failure,
  options: RetryOptions,
  random: () => number = Math.random,
): number | undefined {
  const { error, attempt, repeatable } = failure;
  if (attempt >= options.attempts || !(error instanceof BunbaseError)) return undefined;
  if (!(wasRefused(error) || (repeatable && isTransient(error)))) return undefined;
  const jitterMs = backoffMs(attempt, options, random);
  if (error.retryAfter === undefined) return jitterMs;
  const askedMs = error.retryAfter * 1000;
  return askedMs > options.maxDelayMs ? undefined : askedMs + jitterMs;
}

/** Exponential backoff with full jitter; the first wait is that of attempt 1. */
export function backoffMs(
  attempt: number,
  { baseDelayMs, maxDelayMs }: Pick<RetryOptions, "baseDelayMs" | "maxDelayMs">,
  random: () => number = Math.random,
): number {
  return random() * Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
}

/** The server turned the call away before doing anything, and says when to come back. */
function wasRefused(error: BunbaseError): boolean {
  return (error.status === 429 || error.status === 503) && error.retryAfter !== undefined;
}

function isTransient(error: BunbaseError): boolean {
  if (error instanceof NetworkError || error instanceof TimeoutError) return true;
  return [429, 502, 503, 504].includes(error.status);
}

/** Waits, or rejects with the signal's reason as soon as it is aborted. */
export function wait(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
