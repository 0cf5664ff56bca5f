// What the server is told of an application: contract of `functions` with every kind of trigger.

import type { TSchema } from "@sinclair/typebox";
import { propertiesOf } from "../action.ts";
import type { BunbaseConfig } from "../config.ts";
import { postgresAddress } from "../db/client.ts";
import { guardManifest } from "../guards.ts";
import { mappingOf } from "../http.ts";
import type { Retries, Trigger } from "../triggers.ts";
import type { Registered } from "./registry.ts";
import type { Schema } from "./schema.ts";

export interface Manifest {
  version: 1;
  handlers: HandlerManifest[];
  application: Record<string, unknown>;
}

export interface HandlerManifest {
  name: string;
  export: string;
  triggers: Record<string, unknown>[];
  guards: Record<string, unknown>[];
  input: TSchema;
  output: TSchema;
  action: Record<string, unknown>;
}

export interface Schemas {
  input: Schema;
  output: Schema;
}

export function handlerManifest(registered: Registered, schemas: Schemas): HandlerManifest {
  const { name, config, module, guards } = registered;
  const triggers = config.triggers ?? [];
  const prefix = module?.apiPrefix ?? "";
  return {
    name,
    export: name,
    triggers: triggers.map((trigger) => triggerManifest(trigger, prefix)),
    guards: guards.map(guardManifest),
    input: config.input,
    output: config.output,
    action: {
      ...(config.description === undefined ? {} : { description: config.description }),
      ...(module === undefined ? {} : { module: module.name }),
      input_fields: fields(config.input),
      output_fields: fields(config.output),
      mapped: triggers.flatMap((trigger, index) => (isMapped(trigger) ? [index] : [])),
      opaque: schemas.input.isOpaque,
      ...(config.retry === undefined
        ? {}
        : { retry: { maxAttempts: config.retry.maxAttempts ?? 1 } }),
    },
  };
}

/** Whether code of the application makes the input. */
export function isMapped(trigger: Trigger): boolean {
  return (
    ("map" in trigger && trigger.map !== undefined) ||
    trigger.kind === "webhook" ||
    hasInput(trigger)
  );
}

function hasInput(trigger: Trigger): boolean {
  return trigger.kind === "cron" && trigger.input !== undefined;
}

function fields(schema: TSchema): Record<string, unknown> {
  const mapped = Object.entries(propertiesOf(schema)).flatMap(([field, of]) => {
    const mapping = mappingOf(of);
    if (mapping === undefined) return [];
    const wire = mapping.name ?? field;
    const name = mapping.in === "header" ? wire.toLowerCase() : wire;
    return [[field, { ...mapping, name }] as const];
  });
  return Object.fromEntries(mapped);
}

function triggerManifest(trigger: Trigger, prefix: string): Record<string, unknown> {
  switch (trigger.kind) {
    case "api":
      return { kind: "http", methods: [trigger.method], path: join(prefix, trigger.path) };
    case "webhook":
      return {
        kind: "webhook",
        path: join(prefix, trigger.path),
        verify: verifyManifest(trigger),
      };
    case "event":
      return {
        kind: "event",
        topic: trigger.name,
        ...extra("filter", trigger.filter),
        ...retries(trigger),
      };
    case "cron":
      return {
        kind: "cron",
        schedule: trigger.pattern,
        ...extra("timezone", trigger.timezone),
        ...extra("overlap", trigger.overlap),
        ...extra("catch_up", trigger.catchUp),
        ...extra("jitter_ms", trigger.jitterMs),
        payload: {},
      };
    case "queue":
      return {
        kind: "queue",
        queue: trigger.queue,
        ...extra("concurrency", trigger.concurrency),
        ...retries(trigger),
      };
    case "tool":
      return {
        kind: "tool",
        name: trigger.name,
        description: trigger.description,
        ...extra("annotations", trigger.annotations),
      };
  }
}

/** A webhook without a check of who sends it would be open to everybody. */
function verifyManifest({ path, verify }: Extract<Trigger, { kind: "webhook" }>): unknown {
  if (verify === undefined)
    throw new TypeError(`the webhook ${path} needs \`verify\`: one of \`webhooks\`, or a function`);
  return typeof verify === "object" ? verify : { scheme: "custom" };
}

function extra(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}

function retries({ retries: wanted }: { retries?: Retries }): Record<string, unknown> {
  if (wanted === undefined) return {};
  const { maxAttempts, backoffMs, maxBackoffMs } = wanted;
  return {
    retries: {
      ...extra("max_attempts", maxAttempts),
      ...extra("backoff_ms", backoffMs),
      ...extra("max_backoff_ms", maxBackoffMs),
    },
  };
}

/** One slash between parts, none at the end: `/api/users` and `/` are `/api/users`. */
export function join(prefix: string, path: string): string {
  const parts = `${prefix}/${path}`.split("/").filter((part) => part !== "");
  return `/${parts.join("/")}`;
}

/** `001_init`, and what applies it. */
export interface Migration {
  name: string;
  sql: string;
}

export function applicationManifest(
  config: BunbaseConfig,
  migrations: readonly Migration[],
): Record<string, unknown> {
  const { auth, database, openapi = {}, studio = {}, persistence = {}, mcp } = config;
  const tools = typeof mcp === "object" ? mcp : { enabled: mcp ?? true };
  return {
    ...extra("name", config.name),
    auth: {
      ...extra("session_secret", auth?.sessionSecret),
      ...extra("previous_secrets", auth?.previousSecrets),
      ...extra("expires_in_s", auth?.expiresIn),
      cookie: { ...extra("name", auth?.cookie?.name), ...extra("secure", auth?.cookie?.secure) },
    },
    // Where `ctx.db` is, the server has its tables. It keeps neither this nor the secrets in what it stores.
    ...extra("database_url", postgresAddress(database?.url)),
    ...(migrations.length === 0 ? {} : { migrations }),
    ...extra("cors", config.cors),
    max_body_bytes: config.maxRequestBodySize ?? 10 * 1024 * 1024,
    openapi: {
      enabled: openapi.enabled ?? true,
      path: openapi.path ?? "/api/openapi.json",
      ...extra("title", openapi.title),
      ...extra("version", openapi.version),
    },
    studio: {
      enabled: studio.enabled ?? true,
      path: studio.path ?? "/_studio",
      api_path: studio.apiPrefix ?? `${studio.path ?? "/_studio"}/api`,
    },
    mcp: { enabled: tools.enabled ?? true, path: tools.path ?? "/_mcp" },
    persistence: {
      flush_interval_ms: persistence.flushIntervalMs ?? 2000,
      max_buffer_size: persistence.maxBufferSize ?? 500,
    },
    guards_default_mode: config.guards?.defaultMode ?? "sequential",
  };
}

/** Throws where two actions take the same method and path. */
export function checkRoutes(
  handlers: readonly HandlerManifest[],
  files: readonly Registered[],
): void {
  const taken = new Map<string, string>();
  handlers.forEach((handler, index) => {
    for (const trigger of handler.triggers) {
      if (trigger.kind !== "http" && trigger.kind !== "webhook") continue;
      const method = trigger.kind === "webhook" ? "POST" : (trigger.methods as string[])[0];
      const key = `${method} ${String(trigger.path).replace(/:[^/]+/g, ":")}`;
      const other = taken.get(key);
      if (other !== undefined)
        throw new TypeError(
          `${files[index]?.file}: ${method} ${trigger.path} of "${handler.name}" is taken by "${other}"`,
        );
      taken.set(key, handler.name);
    }
  });
}
