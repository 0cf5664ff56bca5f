/** What an action's handler is given, and what it may give back. */

import type { DatabaseClient } from "./db.ts";
import type { CookieFieldOptions } from "./http.ts";
import type { AuthContext } from "./iam/auth-context.ts";
import type { IAMManager } from "./iam/manager.ts";
import type {
  ActionInput,
  ActionName,
  ActionOutput,
  EventName,
  EventPayload,
  QueueName,
  QueuePayload,
} from "./names.ts";

export type MaybePromise<T> = T | Promise<T>;

/** A value of the output's shape, or an answer as it is. */
export type HandlerResult<O> = MaybePromise<
  O | (O & WithMeta) | Response | ReadableStream | Blob | AsyncIterable<unknown>
>;

export interface CookieOptions extends CookieFieldOptions {
  expires?: Date;
}

/** What a handler says about the way its answer travels. */
export interface TransportMeta {
  http?: {
    status?: number;
    headers?: Record<string, string>;
    cookies?: ({ name: string; value: string } & CookieOptions)[];
  };
  mcp?: { format?: "text" | "json" | "structured"; includeSchema?: boolean; isStreaming?: boolean };
}

export interface WithMeta {
  _meta?: TransportMeta;
}

/** A file of a form. */
export interface UploadedFile {
  filename: string;
  contentType: string;
  /** Bytes. */
  size: number;
  data: Uint8Array;
}

/** The organisation that `guards.inOrg()` found. */
export interface OrgContext {
  id: string;
  slug: string;
  name: string;
  plan: string;
  features: readonly string[];
  memberCount: number;
  role: string;
}

/** Keys and values of the application. */
export interface KVStore {
  get<T = unknown>(key: string): Promise<T | null>;
  /** `ttl` in seconds. */
  set(key: string, value: unknown, options?: { ttl?: number }): Promise<void>;
  delete(key: string): Promise<boolean>;
  has(key: string): Promise<boolean>;
  list(prefix?: string): Promise<string[]>;
  increment(key: string, by?: number, options?: { ttl?: number }): Promise<number>;
}

export interface StorageAPI {
  upload(
    key: string,
    body: Uint8Array | string | Blob | ReadableStream,
    options?: { contentType?: string },
  ): Promise<{ key: string }>;
  download(key: string): Promise<Uint8Array | null>;
  delete(key: string): Promise<boolean>;
  exists(key: string): Promise<boolean>;
  list(prefix?: string): Promise<string[]>;
  /** An address that works for `expiresIn` seconds; 900 where absent. */
  getUrl(key: string, options?: { expiresIn?: number; method?: "GET" | "PUT" }): Promise<string>;
}

/** Recipients are addresses without names, 50 at the most. */
export interface MailMessage {
  to: string | readonly string[];
  subject: string;
  text?: string;
  html?: string;
  cc?: string | readonly string[];
  bcc?: string | readonly string[];
  /** `Name <address>` or an address. */
  replyTo?: string;
  /** The same, of the domain that the server sends from; its own sender where absent. */
  from?: string;
  /** 20 with 10 MiB together at the most. */
  attachments?: readonly MailAttachment[];
}

export interface MailAttachment {
  filename: string;
  content: string | Uint8Array | Blob;
  /** By the name where absent. */
  contentType?: string;
}

export interface Mailer {
  /** Resolves when the server has taken the message; it is delivered after that. */
  send(message: MailMessage): Promise<void>;
}

export interface PushOptions {
  /** Attempts after the first; 3 where absent. */
  maxRetries?: number;
  /** The higher is first; 0 where absent. */
  priority?: number;
  runAt?: Date | number;
  /** Milliseconds. */
  delay?: number;
  /** As long as a job with it waits or runs, there is no second one. */
  uniqueKey?: string;
  concurrencyKey?: string;
}

export interface QueueAPI {
  /** Adds a job and gives its id; it is on disk then. */
  push<N extends QueueName>(name: N, data: QueuePayload<N>, options?: PushOptions): Promise<string>;
  add<N extends QueueName>(name: N, data: QueuePayload<N>, options?: PushOptions): Promise<string>;
  /** A job that waits, runs or has failed for good; null where there is none, as of one that is done. */
  get(id: string): Promise<QueuedJobInfo | null>;
  /** The newest first, without their data; of any queue, and of those that are no dead letters, unless said. */
  getAll(filter?: {
    name?: QueueName;
    status?: QueuedJobInfo["status"];
    /** 1 to 1000; 50 where absent. */
    limit?: number;
  }): Promise<QueuedJobInfo[]>;
  /** Changes a job that waits for its first attempt, or for another one. Whether there was one. */
  update(id: string, changes: { data?: unknown; priority?: number }): Promise<boolean>;
  /** Removes a job, or a dead letter; where it runs its attempt is given up. Whether there was one. */
  delete(id: string): Promise<boolean>;
  remove(id: string): Promise<boolean>;
}

/** A job as the queue has it. */
export interface QueuedJobInfo {
  id: string;
  name: string;
  /** `held` waits for others of its concurrency key; `dead` has no attempts left. */
  status: "ready" | "delayed" | "held" | "running" | "dead";
  /** Attempts that began. */
  attempts: number;
  createdAt: Date;
  /** What the last attempt failed with. */
  error?: string;
  data?: unknown;
}

export interface EventAPI {
  emit<N extends EventName>(name: N, payload?: EventPayload<N>): Promise<void>;
}

export interface ChannelAPI {
  publish(event: string, payload?: unknown): Promise<void>;
}

export interface ActionLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export type TriggerType = "api" | "event" | "cron" | "queue" | "tool" | "webhook" | "call";

export interface ResponseControl {
  readonly headers: Headers;
  setCookie(name: string, value: string, options?: CookieOptions): void;
}

/** The same for every trigger. */
export interface ActionContext {
  readonly db: DatabaseClient;
  readonly kv: KVStore;
  readonly storage: StorageAPI;
  readonly mailer: Mailer;
  readonly queue: QueueAPI;
  readonly event: EventAPI;
  readonly logger: ActionLogger;
  readonly auth: AuthContext;
  /** Users, organisations, roles and subscriptions of the application. */
  readonly iam: IAMManager;
  readonly org: OrgContext | undefined;
  /** What the answer has besides its body; over HTTP only. */
  readonly response: ResponseControl;
  /** As it came; for other triggers what started the action. */
  readonly request: Request;
  readonly headers: Headers;
  readonly retry: { readonly attempt: number; readonly maxAttempts: number };
  readonly traceId: string;
  readonly trigger: TriggerType;
  readonly module: { readonly name: string } | undefined;
  /** Aborted when the caller goes away or the time is over. */
  readonly signal: AbortSignal;
  channel(name: string): ChannelAPI;
  /** A job for later: seconds from now, or a time. It survives a restart. */
  schedule<N extends QueueName>(
    time: number | Date,
    name: N,
    data: QueuePayload<N>,
    options?: PushOptions,
  ): Promise<string>;
  /** Calls another action as whoever this one is called by; its guards are asked, too. */
  action<N extends ActionName>(name: N, input: ActionInput<N>): Promise<ActionOutput<N>>;
  withMeta<T extends object>(data: T, meta: TransportMeta): T & WithMeta;
}
