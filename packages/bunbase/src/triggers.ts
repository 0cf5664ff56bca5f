/** What starts an action. */

import type { BunbaseEvents, BunbaseQueues, EventName, QueueName } from "./names.ts";
import type { MaybePromise } from "./types.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** How often what failed is tried, and how long it waits in between. */
export interface Retries {
  maxAttempts?: number;
  backoffMs?: number;
  maxBackoffMs?: number;
}

export interface ApiTrigger {
  kind: "api";
  method: HttpMethod;
  path: string;
  map?: (request: Request) => MaybePromise<unknown>;
}

export interface EventTrigger {
  kind: "event";
  name: string;
  map?: (payload: unknown) => unknown;
  retries?: Retries;
  filter?: Record<string, unknown>;
}

export interface CronOptions {
  /** What the action is given; an empty object where absent. */
  input?: () => unknown;
  /** A name of the IANA database; UTC where absent. */
  timezone?: string;
  overlap?: "skip" | "queue" | "allow";
  catchUp?: "none" | "last" | "all";
  jitterMs?: number;
}

export interface CronTrigger extends CronOptions {
  kind: "cron";
  pattern: string;
}

export interface QueueOptions<P = unknown> {
  /** Jobs at once. */
  concurrency?: number;
  retries?: Retries;
  map?: (payload: P) => unknown;
}

export interface QueueTrigger extends QueueOptions<never> {
  kind: "queue";
  queue: string;
}

export interface ToolOptions {
  name: string;
  description: string;
  /** What clients may show of it (MCP). */
  annotations?: {
    title?: string;
    readOnlyHint?: boolean;
    destructiveHint?: boolean;
    idempotentHint?: boolean;
    openWorldHint?: boolean;
  };
}

export interface ToolTrigger extends ToolOptions {
  kind: "tool";
}

/** How the sender of a webhook is known; the secret is the name of a variable or of a secret of the project. */
export interface WebhookVerifier {
  scheme: "stripe" | "github" | "slack" | "standard_webhooks" | "hmac_sha256";
  secret: string;
  header?: string;
}

export interface WebhookOptions {
  /** A verifier of `webhooks`, or a function of one's own: `false` is answered with 401. */
  verify?: WebhookVerifier | ((request: Request) => MaybePromise<boolean>);
  map?: (body: unknown) => unknown;
}

export interface WebhookTrigger extends WebhookOptions {
  kind: "webhook";
  path: string;
}

export type Trigger =
  | ApiTrigger
  | EventTrigger
  | CronTrigger
  | QueueTrigger
  | ToolTrigger
  | WebhookTrigger;

type PayloadOf<Names, N> = N extends keyof Names ? Names[N] : unknown;

export const triggers = {
  /** A request. `map` makes the input itself. */
  api: (
    method: HttpMethod,
    path: string,
    options: { map?: (request: Request) => MaybePromise<unknown> } = {},
  ): ApiTrigger => ({ kind: "api", method, path, ...options }),

  /** An event of the project's bus. */
  event: <N extends EventName>(
    name: N,
    options: {
      map?: (payload: PayloadOf<BunbaseEvents, N>) => unknown;
      retries?: Retries;
      filter?: Record<string, unknown>;
    } = {},
  ): EventTrigger => ({ kind: "event", name, ...(options as object) }),

  /** A time: five fields, or six with seconds in front. */
  cron: (pattern: string, options: CronOptions = {}): CronTrigger => ({
    kind: "cron",
    pattern,
    ...options,
  }),

  /** A job of a queue. */
  queue: <N extends QueueName>(
    queue: N,
    options: QueueOptions<PayloadOf<BunbaseQueues, N>> = {},
  ): QueueTrigger => ({ kind: "queue", queue, ...(options as object) }),

  /** A tool for agents (Model Context Protocol). */
  tool: (options: ToolOptions): ToolTrigger => ({ kind: "tool", ...options }),

  /** A signed request of another system: always `POST`. */
  webhook: (path: string, options: WebhookOptions = {}): WebhookTrigger => ({
    kind: "webhook",
    path,
    ...options,
  }),
};

type SecretName = { secret: string };

/** Verifiers that are built in; what they do is checked before any code of the application runs. */
export const webhooks = {
  stripe: ({ secret }: SecretName): WebhookVerifier => ({ scheme: "stripe", secret }),
  github: ({ secret }: SecretName): WebhookVerifier => ({ scheme: "github", secret }),
  slack: ({ secret }: SecretName): WebhookVerifier => ({ scheme: "slack", secret }),
  standard: ({ secret }: SecretName): WebhookVerifier => ({ scheme: "standard_webhooks", secret }),
  /** HMAC-SHA-256 of the body in hex, in a header. */
  hmac: ({ secret, header }: SecretName & { header: string }): WebhookVerifier => ({
    scheme: "hmac_sha256",
    secret,
    header,
  }),
};
