/** The end of one attempt: the caller's abort or the timeout, whichever comes first. */
import { BunbaseError, NetworkError, TimeoutError } from "./errors.ts";

export class Deadline {
  readonly #caller: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #forward = () => this.#controller.abort(this.#caller?.reason);
  #timedOut = false;
  #outlived = false;
  /** Rejects when the attempt is over, also where the transport takes no notice of the signal. */
  readonly passed: Promise<never>;

  constructor(caller: AbortSignal | undefined, timeoutMs: number) {
    this.#caller = caller;
    this.#timeoutMs = timeoutMs;
    this.passed = new Promise((_, reject) => {
      const { signal } = this.#controller;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    this.passed.catch(() => {});
    if (caller?.aborted) this.#forward();
    else caller?.addEventListener("abort", this.#forward, { once: true });
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What the caller is told about an error of this attempt. */
  explain(error: unknown, what: string): unknown {
    if (this.#timedOut) return new TimeoutError(what, this.#timeoutMs);
    if (this.#caller?.aborted) return this.#caller.reason;
    return error instanceof BunbaseError ? error : new NetworkError(what, error);
  }

  /** The answer's head is there: the timeout ends, the caller's abort still reaches the body. */
  outlive(): void {
    this.#outlived = true;
    clearTimeout(this.#timer);
  }

  clear(): void {
    clearTimeout(this.#timer);
    if (this.#outlived) return;
    this.#caller?.removeEventListener("abort", this.#forward);
  }

  #expire(): void {
    this.#timedOut = true;
    this.#controller.abort();
  }
}
