// The services of a server, in memory: what an action does with them can be looked at.

import type { Services } from "../runtime/ports.ts";
import type {
  KVStore,
  MailMessage,
  PushOptions,
  QueueAPI,
  QueuedJobInfo,
  StorageAPI,
} from "../types.ts";

export interface QueuedJob {
  id: string;
  name: string;
  data: unknown;
  options: PushOptions;
}

export interface EmittedEvent {
  name: string;
  payload: unknown;
}

/** Jobs and events are kept, not run. */
export interface MemoryServices extends Services {
  readonly jobs: QueuedJob[];
  readonly events: EmittedEvent[];
  readonly mails: MailMessage[];
}

export function memoryServices(): MemoryServices {
  const jobs: QueuedJob[] = [];
  const events: EmittedEvent[] = [];
  const mails: MailMessage[] = [];
  return {
    jobs,
    events,
    mails,
    kv: memoryKv(),
    storage: memoryStorage(),
    queue: memoryQueue(jobs),
    event: {
      async emit(name, payload) {
        events.push({ name, payload: copied(payload ?? null) });
      },
    },
    mailer: {
      async send(message) {
        mails.push(message);
      },
    },
  };
}

/** As it comes out of JSON: what would not travel is not seen here either. */
function copied<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function memoryQueue(jobs: QueuedJob[]): QueueAPI {
  const push: QueueAPI["push"] = async (name, data, options = {}) => {
    const { uniqueKey } = options;
    const isSame = (job: QueuedJob) => job.name === name && job.options.uniqueKey === uniqueKey;
    const waiting = uniqueKey === undefined ? undefined : jobs.find(isSame);
    if (waiting !== undefined) return waiting.id;
    const id = Bun.randomUUIDv7();
    jobs.push({ id, name, data: copied(data ?? null), options });
    return id;
  };
  const known = ({ id, name, data }: QueuedJob): QueuedJobInfo => {
    return { id, name, status: "ready", attempts: 0, createdAt: new Date(), data };
  };
  const remove = async (id: string) => {
    const at = jobs.findIndex((job) => job.id === id);
    return at >= 0 && jobs.splice(at, 1).length > 0;
  };
  return {
    push,
    add: push,
    async get(id) {
      const found = jobs.find((job) => job.id === id);
      return found === undefined ? null : known(found);
    },
    async getAll({ name, status = "ready", limit = 50 } = {}) {
      const wanted = jobs.filter((job) => status === "ready" && (name ?? job.name) === job.name);
      return wanted.reverse().slice(0, limit).map(known);
    },
    async update(id, { data, priority }) {
      const found = jobs.find((job) => job.id === id);
      if (found === undefined) return false;
      if (data !== undefined) found.data = copied(data);
      if (priority !== undefined) found.options = { ...found.options, priority };
      return true;
    },
    delete: remove,
    remove,
  };
}

function memoryKv(): KVStore {
  const entries = new Map<string, { json: string; until: number }>();
  const live = (key: string) => {
    const entry = entries.get(key);
    return entry !== undefined && entry.until > Date.now() ? entry : undefined;
  };
  const until = (ttl: number | undefined) =>
    ttl === undefined ? Number.POSITIVE_INFINITY : Date.now() + ttl * 1000;
  return {
    async get<T>(key: string) {
      const entry = live(key);
      return entry === undefined ? null : (JSON.parse(entry.json) as T);
    },
    async set(key, value, { ttl } = {}) {
      const json = JSON.stringify(value);
      if (json === undefined) throw new TypeError("undefined cannot be kept: delete the key");
      entries.set(key, { json, until: until(ttl) });
    },
    delete: async (key) => {
      const was = live(key) !== undefined;
      entries.delete(key);
      return was;
    },
    has: async (key) => live(key) !== undefined,
    list: async (prefix = "") =>
      [...entries.keys()].filter((key) => key.startsWith(prefix) && live(key)).sort(),
    async increment(key, by = 1, { ttl } = {}) {
      const entry = live(key);
      const sum = (entry === undefined ? 0 : Number(JSON.parse(entry.json))) + by;
      const end = ttl === undefined && entry !== undefined ? entry.until : until(ttl);
      entries.set(key, { json: String(sum), until: end });
      return sum;
    },
  };
}

function memoryStorage(): StorageAPI {
  const objects = new Map<string, Uint8Array>();
  return {
    async upload(key, body) {
      objects.set(key, new Uint8Array(await new Response(body as never).arrayBuffer()));
      return { key };
    },
    download: async (key) => objects.get(key)?.slice() ?? null,
    delete: async (key) => objects.delete(key),
    exists: async (key) => objects.has(key),
    list: async (prefix = "") => [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(),
    getUrl: async (key) => `memory:${encodeURIComponent(key)}`,
  };
}
