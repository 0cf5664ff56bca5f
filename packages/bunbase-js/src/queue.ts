/** Queues: what is enqueued is run by the function that consumes the queue, at least once. */
import { segment } from "./path.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface EnqueueOptions extends CallOptions {
  /** Milliseconds that it waits before it may run. */
  delayMs?: number | undefined;
  /** Higher ones are run first, within their queue. */
  priority?: number | undefined;
  /** One job of the queue has this key while it waits or runs; another one is not enqueued. */
  uniqueKey?: string | undefined;
  /** So many jobs with this key (`concurrency`, 1 unless said) run at once. */
  concurrencyKey?: string | undefined;
  concurrency?: number | undefined;
  /** Attempts in all. */
  attemptsMax?: number | undefined;
  /** Milliseconds that one attempt may take. */
  timeoutMs?: number | undefined;
}

export interface EnqueuedJob {
  id: string;
  /** Whether another job had the unique key, and this is that one. */
  existed: boolean;
}

export class Queue {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, name: string) {
    this.#transport = transport;
    this.#path = `/v1/queues/${segment(name)}/jobs`;
  }

  /** Enqueues `payload` as JSON; it is on disk when this answers. Needs a secret key. */
  async enqueue(payload: unknown, options: EnqueueOptions = {}): Promise<EnqueuedJob> {
    const {
      delayMs: delay_ms,
      priority,
      uniqueKey: unique_key,
      concurrencyKey: concurrency_key,
      concurrency,
      attemptsMax: attempts_max,
      timeoutMs: timeout_ms,
      ...call
    } = options;
    const wire = {
      delay_ms,
      priority,
      unique_key,
      concurrency_key,
      concurrency,
      attempts_max,
      timeout_ms,
    };
    const body = { payload: payload ?? null, options: wire };
    return this.#transport.json<EnqueuedJob>({ ...call, method: "POST", path: this.#path, body });
  }
}
