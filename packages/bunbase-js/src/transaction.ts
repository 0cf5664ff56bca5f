/**
 * Interactive transactions: reads from one snapshot, writes that only the transaction sees, one
 * commit. Where others changed meanwhile what it read, the whole of it is run again.
 */
import { Collection } from "./collection.ts";
import { BunbaseError } from "./errors.ts";
import { BATCH_PATH, segment, TRANSACTIONS_PATH } from "./path.ts";
import { backoffMs, wait } from "./retry.ts";
import type { CallOptions, Transport } from "./transport.ts";
import type { BatchResult, Operation } from "./types.ts";

export interface TransactionOptions {
  /** Runs in all, the first included; 5 unless said. */
  attempts?: number;
  signal?: AbortSignal;
  /** For each call. */
  timeoutMs?: number;
}

/** What of a collection works inside a transaction. */
export type TransactionCollection<T extends object> = Omit<
  Collection<T>,
  | "createIndex"
  | "deleteIndex"
  | "explain"
  | "listIndexes"
  | "watch"
  | "watchDocument"
  | "watchQuery"
>;

const ATTEMPTS = 5;
const BACKOFF = { baseDelayMs: 20, maxDelayMs: 2_000 };

/** One run of a transaction. */
export class Transaction {
  readonly id: string;
  readonly #transport: Transport;

  constructor(transport: Transport, id: string) {
    this.id = id;
    this.#transport = transport.with({ "x-bunbase-transaction": id });
  }

  collection<T extends object = Record<string, unknown>>(name: string): TransactionCollection<T> {
    return new Collection<T>(this.#transport, name);
  }

  batch(operations: readonly Operation[], options: CallOptions = {}): Promise<BatchResult> {
    const body = { operations };
    return this.#transport.json({ ...options, method: "POST", path: BATCH_PATH, body });
  }
}

/** Runs `work` in a transaction, again where it conflicts, and commits. */
export async function runTransaction<R>(
  transport: Transport,
  work: (transaction: Transaction) => Promise<R>,
  options: TransactionOptions,
): Promise<R> {
  const attempts = options.attempts ?? ATTEMPTS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(transport, work, options);
    } catch (error) {
      if (attempt >= attempts || !mayRunAgain(error)) throw error;
      await wait(backoffMs(attempt, BACKOFF), options.signal);
    }
  }
}

async function runOnce<R>(
  transport: Transport,
  work: (transaction: Transaction) => Promise<R>,
  { signal, timeoutMs }: TransactionOptions,
): Promise<R> {
  const call = { method: "POST", signal, timeoutMs };
  const opened = await transport.json<{ id: string }>({ ...call, path: TRANSACTIONS_PATH });
  const path = `${TRANSACTIONS_PATH}/${segment(opened.id)}`;
  let result: R;
  try {
    result = await work(new Transaction(transport, opened.id));
  } catch (error) {
    // What it failed with is what counts; a transaction that is left alone ends by itself.
    await transport.call({ method: "POST", path: `${path}/abort`, timeoutMs }).catch(() => {});
    throw error;
  }
  await transport.call({ ...call, path: `${path}/commit` });
  return result;
}

/** The server wrote nothing, and says that another run may succeed. */
function mayRunAgain(error: unknown): boolean {
  if (!(error instanceof BunbaseError)) return false;
  return error.code === "transaction_conflict" || error.code === "transaction_expired";
}
