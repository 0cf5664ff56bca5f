// The services of the server in the shapes that actions know them by; each is made when it is first touched.

import { bunbase } from "bunbase-js/function";
import type {
  EventAPI,
  KVStore,
  Mailer,
  PushOptions,
  QueueAPI,
  QueuedJobInfo,
  StorageAPI,
} from "../types.ts";
import { mailer } from "./mailer.ts";
import { ask } from "./wire.ts";

/** What an action reaches besides its database. */
export interface Services {
  readonly kv: KVStore;
  readonly storage: StorageAPI;
  readonly mailer: Mailer;
  readonly queue: QueueAPI;
  readonly event: EventAPI;
}

const KEYS_PAGE = 1000;

const kv: KVStore = {
  get: (key) => bunbase.kv.getJson(key),
  async set(key, value, options = {}) {
    await bunbase.kv.set(key, JSON.stringify(value), { ttl: options.ttl });
  },
  delete: (key) => bunbase.kv.delete(key),
  has: (key) => bunbase.kv.exists(key),
  async list(prefix = "") {
    const keys: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await bunbase.kv.list({ prefix, limit: KEYS_PAGE, cursor });
      keys.push(...page.keys.map(({ key }) => key));
      cursor = page.next_cursor;
    } while (cursor);
    return keys;
  },
  increment: (key, by = 1, options = {}) =>
    bunbase.kv.increment(key, by, options.ttl === undefined ? {} : { ttl: options.ttl }),
};

const storage: StorageAPI = {
  async upload(key, body, options = {}) {
    await bunbase.storage.put(key, body as never, { contentType: options.contentType });
    return { key };
  },
  async download(key) {
    const found = await bunbase.storage.head(key);
    return found === null
      ? null
      : new Uint8Array(await (await bunbase.storage.get(key)).arrayBuffer());
  },
  delete: (key) => bunbase.storage.delete(key),
  exists: async (key) => (await bunbase.storage.head(key)) !== null,
  async list(prefix = "") {
    const keys: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await bunbase.storage.list(prefix, { cursor });
      keys.push(...page.objects.map(({ key }) => key));
      cursor = page.next_cursor;
    } while (cursor);
    return keys;
  },
  async getUrl(key, options = {}) {
    const signed = await bunbase.storage.signedUrl(key, options);
    return typeof signed === "string" ? signed : (signed as { url: string }).url;
  },
};

async function push(name: string, data: unknown, options: PushOptions = {}): Promise<string> {
  const { maxRetries, priority, runAt, delay, uniqueKey, concurrencyKey } = options;
  const at = runAt === undefined ? undefined : Number(runAt) - Date.now();
  const { id } = await bunbase.queue(name).enqueue(data, {
    delayMs: at === undefined ? delay : Math.max(0, Math.round(at)),
    priority,
    uniqueKey,
    concurrencyKey,
    attemptsMax: maxRetries === undefined ? undefined : maxRetries + 1,
  });
  return id;
}

/** What the server says of a job, or of a dead letter, which has no state. */
interface WireJob {
  id: string;
  queue: string;
  state?: QueuedJobInfo["status"];
  attempt?: number;
  attempts?: number;
  created_at: string;
  last_error?: string | null;
  error?: string;
  payload?: unknown;
}

function jobOf({
  id,
  queue,
  state,
  attempt,
  attempts,
  created_at,
  ...rest
}: WireJob): QueuedJobInfo {
  const error = rest.error ?? rest.last_error ?? undefined;
  return {
    id,
    name: queue,
    status: state ?? "dead",
    attempts: attempts ?? attempt ?? 0,
    createdAt: new Date(created_at),
    ...(error === undefined ? {} : { error }),
    ...("payload" in rest ? { data: rest.payload } : {}),
  };
}

async function askQueue<T>(wanted: object): Promise<T> {
  const answer = await ask("/v1/app/queue", wanted);
  if (!answer.ok) throw new Error(`the queue did not answer: ${await answer.text()}`);
  return (await answer.json()) as T;
}

const remove = (id: string) => askQueue<boolean>({ op: "delete", id });

const queue: QueueAPI = {
  push,
  add: push,
  async get(id) {
    const found = await askQueue<WireJob | null>({ op: "get", id });
    return found === null ? null : jobOf(found);
  },
  async getAll({ name, status, limit } = {}) {
    const found = await askQueue<WireJob[]>({ op: "list", queue: name, state: status, limit });
    return found.map(jobOf);
  },
  update: (id, { data, priority }) => {
    const payload = data === undefined ? {} : { payload: data };
    return askQueue<boolean>({ op: "update", id, priority, ...payload });
  },
  delete: remove,
  remove,
};

const event: EventAPI = {
  async emit(name, payload) {
    await bunbase.events.publish(name, payload ?? null);
  },
};

/** Those of the server that runs the application. */
export const services: Services = { kv, storage, mailer, queue, event };
