// The input of an action, from where the server says that it stands.

import type { TSchema } from "@sinclair/typebox";
import { propertiesOf } from "../action.ts";
import { BadRequest, Unauthorized } from "../errors.ts";
import { mappingOf } from "../http.ts";
import type { Trigger } from "../triggers.ts";
import type { UploadedFile } from "../types.ts";
import type { Context } from "./context.ts";
import { coerce, decode, type Schema } from "./schema.ts";

/** The input as the handler gets it; a promise only where something has to be waited for. */
export function inputOf(ctx: Context, schema: Schema): unknown | Promise<unknown> {
  const { wire } = ctx;
  if ("input" in wire) return finished(ctx, schema, wire.input);
  if (wire.body !== "json") return rawInput(ctx, schema);
  const reading = ctx.request.text();
  // A body that is there already need not take a turn of the queue.
  const text = Bun.peek(reading);
  if (typeof text === "string") return finished(ctx, schema, parsed(text));
  return reading.then((late) => finished(ctx, schema, parsed(late)));
}

function finished({ wire }: Context, schema: Schema, given: unknown): unknown {
  // Who sends a request may write anything into it; events and jobs are the application's own.
  const value = wire.trigger === "api" ? schema.trim(given) : given;
  return wire.checked && !schema.isOpaque ? value : decode(schema, value);
}

async function bodyOf(request: Request): Promise<unknown> {
  return parsed(await request.text());
}

/** JSON; nothing is an empty object. */
function parsed(text: string): unknown {
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRequest("the body is not valid JSON");
  }
}

async function rawInput(ctx: Context, schema: Schema): Promise<unknown> {
  const trigger = ctx.registered.config.triggers?.[ctx.wire.index];
  const value = await mapped(trigger, ctx.request, schema.schema);
  const { fields } = ctx.wire;
  if (fields === undefined) return decode(schema, value);
  const form = { ...withoutPlaces(value as object, schema.schema), ...fields };
  return decode(schema, schema.trim(form));
}

/** What has a place of its own in HTTP is not taken from a form. */
function withoutPlaces(form: object, schema: TSchema): object {
  const isFree = ([name]: [string, unknown]): boolean => {
    const field = propertiesOf(schema)[name];
    return field === undefined || mappingOf(field) === undefined;
  };
  return Object.fromEntries(Object.entries(form).filter(isFree));
}

async function mapped(
  trigger: Trigger | undefined,
  request: Request,
  schema: TSchema,
): Promise<unknown> {
  switch (trigger?.kind) {
    case "api":
      return trigger.map === undefined ? formOf(request, schema) : trigger.map(request);
    case "cron":
      return trigger.input?.() ?? {};
    case "webhook":
      return ofWebhook(trigger, request);
    case "event":
    case "queue": {
      const payload = await bodyOf(request);
      return trigger.map === undefined ? payload : trigger.map(payload as never);
    }
    default:
      return bodyOf(request);
  }
}

/** Verified over the bytes that came, and read once. */
async function ofWebhook(
  trigger: Extract<Trigger, { kind: "webhook" }>,
  request: Request,
): Promise<unknown> {
  const { verify, map } = trigger;
  const text = await request.text();
  if (typeof verify === "function") {
    const { url, headers } = request;
    const same = new Request(url, { method: "POST", headers, body: text });
    if ((await verify(same)) !== true) throw new Unauthorized("the signature is not valid");
  }
  const type = request.headers.get("content-type") ?? "";
  let body: unknown = text;
  if (type.includes("application/x-www-form-urlencoded"))
    body = Object.fromEntries(new URLSearchParams(text));
  else if (text !== "")
    try {
      body = JSON.parse(text);
    } catch {
      // What is no JSON is for `map` to read.
    }
  return map === undefined ? body : map(body);
}

/** A form with files, as what the schema wants of its fields. */
async function formOf(request: Request, schema: TSchema): Promise<unknown> {
  const type = request.headers.get("content-type") ?? "";
  if (!type.includes("multipart/form-data")) return bodyOf(request);
  let form: FormData;
  try {
    form = (await request.formData()) as unknown as FormData;
  } catch {
    throw new BadRequest("the form is not valid");
  }
  const fields: Record<string, unknown> = {};
  for (const name of new Set(form.keys())) {
    const values = await Promise.all(form.getAll(name).map(fieldOf));
    const wanted = propertiesOf(schema)[name];
    const isList = wanted?.type === "array";
    const value = isList || values.length > 1 ? values : values[0];
    const isText = values.every((each) => typeof each === "string");
    fields[name] = isText && wanted !== undefined ? coerce(wanted, value) : value;
  }
  return fields;
}

async function fieldOf(value: string | Blob): Promise<string | UploadedFile> {
  if (typeof value === "string") return value;
  const { type, size } = value;
  return {
    filename: (value as File).name,
    contentType: type || "application/octet-stream",
    size,
    data: new Uint8Array(await value.arrayBuffer()),
  };
}
