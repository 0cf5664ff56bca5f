/** Documents as they change: a whole collection, or the result of a query. */
import type { ServerEvent } from "./event-stream.ts";
import { subscribe, type Unsubscribe, type WatchOptions } from "./subscription.ts";
import type { Transport } from "./transport.ts";
import type { WithId } from "./types.ts";

export type Change<T> =
  | { type: "added" | "modified"; docId: string; document: WithId<T> }
  | { type: "removed"; docId: string; document?: undefined };

export type ChangeListener<T> = (change: Change<T>) => void;

/** Every change after this, without loss or repetition while the server's log reaches back. */
export function watchCollection<T>(
  transport: Transport,
  path: string,
  listener: ChangeListener<T>,
  options: WatchOptions,
): Unsubscribe {
  return subscribe(transport, {
    ...options,
    method: "GET",
    path: `${path}/subscribe`,
    resumes: true,
    onEvent: (event) => {
      if (event.event === "change") listener(JSON.parse(event.data) as Change<T>);
    },
  });
}

/** The result of a query and what changes in it; after a reconnection only what is different. */
export function watchResult<T>(
  transport: Transport,
  path: string,
  query: object,
  listener: ChangeListener<T>,
  options: WatchOptions,
): Unsubscribe {
  const result = new LiveResult<T>(listener);
  return subscribe(transport, {
    ...options,
    method: "POST",
    path: `${path}/documents/query/subscribe`,
    body: query,
    resumes: false,
    onConnected: () => result.begin(),
    onEvent: (event) => result.take(event),
  });
}

/** What the listener knows of the result, so that a result that is sent again tells only the news. */
class LiveResult<T> {
  readonly #listener: ChangeListener<T>;
  readonly #known = new Map<string, string>();
  /** The ids that were sent since the connection began; `undefined` when the result is complete. */
  #sent: Set<string> | undefined;

  constructor(listener: ChangeListener<T>) {
    this.#listener = listener;
  }

  begin(): void {
    this.#sent = new Set();
  }

  take(event: ServerEvent): void {
    if (event.event === "ready") this.#complete();
    if (event.event !== "change") return;
    const change = JSON.parse(event.data) as Change<T>;
    if (change.type === "removed") this.#remove(change.docId);
    else this.#put(change.docId, change.document);
  }

  #put(docId: string, document: WithId<T>): void {
    this.#sent?.add(docId);
    const text = JSON.stringify(document);
    const before = this.#known.get(docId);
    if (before === text) return;
    this.#known.set(docId, text);
    this.#listener({ type: before === undefined ? "added" : "modified", docId, document });
  }

  #remove(docId: string): void {
    if (this.#known.delete(docId)) this.#listener({ type: "removed", docId });
  }

  /** What was known and not sent again has left the result in the meantime. */
  #complete(): void {
    const sent = this.#sent;
    this.#sent = undefined;
    if (sent === undefined) return;
    for (const docId of [...this.#known.keys()]) if (!sent.has(docId)) this.#remove(docId);
  }
}
