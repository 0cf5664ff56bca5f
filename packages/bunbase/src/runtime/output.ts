// What a handler gave back, as the answer that the caller gets.

import { propertiesOf } from "../action.ts";
import { DatabaseError } from "../db/error.ts";
import { ActionValidationError, BunbaseError } from "../errors.ts";
import { mappingOf } from "../http.ts";
import type { TransportMeta } from "../types.ts";
import type { Context } from "./context.ts";
import { setCookie } from "./cookies.ts";
import { encode, type Schema } from "./schema.ts";
import { SESSION_HEADER } from "./wire.ts";

/** That of `Response.json`. */
const JSON_TYPE = "application/json;charset=utf-8";
const NO_BODY = new Set([204, 205, 304]);

/** Where fields of the output stand that are not in its body. */
export interface OutputField {
  readonly field: string;
  readonly in: "header" | "cookie";
  readonly name: string;
  readonly options: Parameters<typeof setCookie>[2];
}

export function outputFields(schema: Schema): OutputField[] {
  return Object.entries(propertiesOf(schema.schema)).flatMap(([field, of]) => {
    const mapping = mappingOf(of);
    if (mapping?.in !== "header" && mapping?.in !== "cookie") return [];
    const { name = field, options } = mapping;
    return [{ field, in: mapping.in, name, options }];
  });
}

/** The data of a result, and what was said about the way it travels. */
export interface Outcome {
  readonly data: unknown;
  readonly meta: TransportMeta | undefined;
}

/** Checked before it is written; throws where it does not have the shape that is declared. */
export function outcomeOf(result: unknown, schema: Schema): Outcome {
  let meta: TransportMeta | undefined;
  let data = result;
  if (typeof result === "object" && result !== null && "_meta" in result) {
    const { _meta, ...rest } = result as { _meta: TransportMeta };
    meta = _meta;
    data = rest;
  }
  return { data: encode(schema, data === undefined ? null : data), meta };
}

/** An answer as it is, where the handler gave one. */
export function ready(result: unknown): Response | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  if (result instanceof Response) return result;
  if (result instanceof ReadableStream || result instanceof Blob)
    return new Response(result as never);
  if (Symbol.asyncIterator in result) return eventStream(result as AsyncIterable<unknown>);
  return undefined;
}

/** Server-sent events: one for each value. */
function eventStream(values: AsyncIterable<unknown>): Response {
  const iterator = values[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`data: ${JSON.stringify(value)}\n\n`));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
  return new Response(body, { headers });
}

/** The answer of a success. */
export function answer(
  ctx: Context,
  { data, meta }: Outcome,
  fields: readonly OutputField[],
): Response {
  const status = meta?.http?.status ?? 200;
  const isPlain = meta === undefined && fields.length === 0 && ctx.answering === undefined;
  if (isPlain && ctx.operations.length === 0) return Response.json({ data });
  const headers = new Headers(ctx.answering?.headers);
  addMeta(headers, meta);
  const body = takeOut(data, fields, headers);
  addSession(ctx, headers);
  if (NO_BODY.has(status)) return new Response(null, { status, headers });
  if (!headers.has("content-type")) headers.set("content-type", JSON_TYPE);
  return new Response(`{"data":${JSON.stringify(body)}}`, { status, headers });
}

/** The same for an answer that the handler made itself. */
export function complete(ctx: Context, response: Response): Response {
  if (ctx.answering === undefined && ctx.operations.length === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of ctx.answering?.headers ?? []) {
    if (name === "set-cookie") headers.append(name, value);
    else headers.set(name, value);
  }
  addSession(ctx, headers);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

function addMeta(headers: Headers, meta: TransportMeta | undefined): void {
  for (const [name, value] of Object.entries(meta?.http?.headers ?? {})) headers.set(name, value);
  for (const { name, value, ...options } of meta?.http?.cookies ?? [])
    headers.append("set-cookie", setCookie(name, value, options));
}

function addSession(ctx: Context, headers: Headers): void {
  if (ctx.operations.length > 0) headers.set(SESSION_HEADER, ascii(JSON.stringify(ctx.operations)));
}

function takeOut(data: unknown, fields: readonly OutputField[], headers: Headers): unknown {
  if (fields.length === 0) return data;
  const body = { ...(data as Record<string, unknown>) };
  for (const { field, in: place, name, options } of fields) {
    const value = body[field];
    delete body[field];
    if (value === undefined || value === null) continue;
    if (place === "header") headers.set(name, String(value));
    else headers.append("set-cookie", setCookie(name, String(value), options));
  }
  return body;
}

/** Headers hold nothing else. */
export function ascii(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The answer of a failure; what nobody foresaw is told to the log alone. */
export function failure(ctx: Context | undefined, error: unknown, traceId: string): Response {
  const known = error instanceof BunbaseError ? error : undefined;
  const isForeseen = known !== undefined && !isInternal(known);
  const status = known?.statusCode ?? 500;
  if (status >= 500) console.error(error);
  const shown = isForeseen || !isProduction();
  const message = error instanceof Error ? error.message : String(error);
  const body = {
    code: known === undefined ? "handler_error" : known.code,
    message: shown ? message : "Internal error",
    ...(isForeseen && known.details !== undefined ? { details: known.details } : {}),
    trace_id: traceId,
  };
  const headers = new Headers(ctx?.answering?.headers);
  headers.set("content-type", JSON_TYPE);
  if (!isAgainUseful(error)) headers.set("x-bunbase-retry", "no");
  if (ctx !== undefined) addSession(ctx, headers);
  return new Response(JSON.stringify({ error: body }), { status, headers });
}

/** A mistake of the action itself, of which the caller learns nothing. */
function isInternal(error: BunbaseError): boolean {
  if (error instanceof ActionValidationError) return error.phase === "output";
  return error instanceof DatabaseError && error.statusCode === 500;
}

/** A job whose input is wrong is not tried again. */
function isAgainUseful(error: unknown): boolean {
  return !(error instanceof BunbaseError) || error.statusCode >= 500 || error.statusCode === 429;
}

function isProduction(): boolean {
  return process.env.NODE_ENV === "production" || process.env.BUNBASE_ENV === "production";
}
