/**
 * One long answer of server-sent events that is opened again when it breaks: with backoff, and
 * with the last event's id, so that nothing is lost and nothing comes twice.
 */
import { BunbaseError, NetworkError, TimeoutError } from "./errors.ts";
import { EventParser, type ServerEvent } from "./event-stream.ts";
import { backoffMs, wait } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** Ends the subscription; `ready` is fulfilled when the server has taken it up for the first time. */
export interface Unsubscribe {
  (): void;
  readonly ready: Promise<void>;
}

export interface WatchOptions {
  /** Told once when the subscription cannot go on: the rules forbid it, the key was revoked. */
  onError?: ((error: BunbaseError) => void) | undefined;
  /** Told when events may be missing, because the server's log no longer reaches back: read again. */
  onResync?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Source extends WatchOptions {
  method: "GET" | "POST";
  path: string;
  body?: unknown;
  /** Called for each event but `connected`, `resync` and `close`. */
  onEvent: (event: ServerEvent) => void;
  /** Called each time that the server has taken the subscription up. */
  onConnected?: () => void;
  /** Whether to begin again after the last id, or anew each time. */
  resumes: boolean;
}

/** The server sends something at least every 15 s. */
const SILENCE_MS_MAX = 45_000;
const RECONNECT = { baseDelayMs: 250, maxDelayMs: 10_000 };

export function subscribe(transport: Transport, source: Source): Unsubscribe {
  const subscription = new Subscription(transport, source);
  const ready = subscription.run();
  ready.catch(() => {});
  return Object.assign(() => subscription.close(), { ready });
}

class Subscription {
  readonly #transport: Transport;
  readonly #source: Source;
  readonly #controller = new AbortController();
  readonly #forward = () => this.close();
  #lastId: string | undefined;
  #failures = 0;
  #taken: (() => void) | undefined;

  constructor(transport: Transport, source: Source) {
    this.#transport = transport;
    this.#source = source;
    if (source.signal?.aborted) this.close();
    else source.signal?.addEventListener("abort", this.#forward, { once: true });
  }

  close(): void {
    this.#controller.abort();
    this.#source.signal?.removeEventListener("abort", this.#forward);
  }

  /** Fulfilled at the first `connected`; rejected where it never came. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#taken = resolve;
      this.#loop().then(
        () => reject(closed()),
        (error: BunbaseError) => {
          reject(error);
          this.close();
          this.#source.onError?.(error);
        },
      );
    });
  }

  async #loop(): Promise<void> {
    const { signal } = this.#controller;
    while (!signal.aborted) {
      try {
        await this.#connection();
      } catch (failure) {
        if (signal.aborted) return;
        if (isFinal(failure)) throw failure;
      }
      this.#failures++;
      await wait(backoffMs(this.#failures, RECONNECT), signal).catch(() => {});
    }
  }

  async #connection(): Promise<void> {
    const connection = new AbortController();
    const end = () => connection.abort();
    this.#controller.signal.addEventListener("abort", end, { once: true });
    let silence = setTimeout(end, SILENCE_MS_MAX);
    try {
      const { method, path, body } = this.#source;
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (this.#lastId !== undefined) headers["last-event-id"] = this.#lastId;
      const call = { method, path, body, headers, signal: connection.signal };
      const response = await this.#transport.open({ ...call, idempotent: true });
      const parser = new EventParser();
      for await (const text of textOf(response, path)) {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE_MS_MAX);
        for (const event of parser.push(text)) this.#take(event);
      }
    } catch (failure) {
      throw connection.signal.aborted
        ? new TimeoutError(this.#source.path, SILENCE_MS_MAX)
        : failure;
    } finally {
      clearTimeout(silence);
      this.#controller.signal.removeEventListener("abort", end);
      connection.abort();
    }
  }

  #take(event: ServerEvent): void {
    if (this.#controller.signal.aborted) return;
    if (event.event === "connected") {
      this.#failures = 0;
      this.#taken?.();
      this.#source.onConnected?.();
    } else if (event.event === "resync") {
      this.#source.onResync?.();
    } else if (event.event !== "close") {
      this.#source.onEvent(event);
    }
    if (this.#source.resumes && event.id !== undefined) this.#lastId = event.id;
  }
}

async function* textOf(response: Response, path: string): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  const read = () =>
    reader.read().catch((cause) => {
      throw new NetworkError(`reading ${path}`, cause);
    });
  try {
    for (let next = await read(); !next.done; next = await read()) yield next.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The server will not answer otherwise when it is asked again. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof BunbaseError)) return true;
  return error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status);
}

function closed(): BunbaseError {
  return new BunbaseError({ code: "closed", status: 0, message: "the subscription was ended" });
}
