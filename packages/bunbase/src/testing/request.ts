// Where a request goes, and the input that is in it: the least of what the server does in front of an action.

import type { TSchema } from "@sinclair/typebox";
import { propertiesOf } from "../action.ts";
import { BadRequest } from "../errors.ts";
import type { FieldMapping } from "../http.ts";
import type { HandlerManifest, Manifest } from "../runtime/manifest.ts";
import { coerce } from "../runtime/schema.ts";
import type { WireContext } from "../runtime/wire.ts";

export interface Route {
  handler: HandlerManifest;
  /** Which trigger of it. */
  index: number;
  method: string;
  kind: "api" | "webhook";
  pattern: RegExp;
}

/** Those without parameters first. */
export function routesOf({ handlers }: Manifest): Route[] {
  const routes = handlers.flatMap((handler) =>
    handler.triggers.flatMap((trigger, index): Route[] => {
      if (trigger.kind !== "http" && trigger.kind !== "webhook") return [];
      const isHook = trigger.kind === "webhook";
      const [method] = isHook ? ["POST"] : (trigger.methods as string[]);
      const pattern = patternOf(String(trigger.path));
      return [{ handler, index, method: method ?? "", kind: isHook ? "webhook" : "api", pattern }];
    }),
  );
  const weight = ({ pattern }: Route) => pattern.source.split("(?<").length;
  return routes.sort((left, right) => weight(left) - weight(right));
}

function patternOf(path: string): RegExp {
  const parts = path
    .split("/")
    .map((part) => (part.startsWith(":") ? `(?<${part.slice(1)}>[^/]+)` : RegExp.escape(part)));
  return new RegExp(`^${parts.join("/")}/?$`);
}

type Input = Pick<WireContext, "input" | "fields" | "body">;

/** `params` are of the path, decoded. */
export async function inputFrom(
  { handler, index }: Route,
  request: Request,
  params: Record<string, string>,
): Promise<Input> {
  const { mapped } = handler.action as { mapped: number[] };
  if (mapped.includes(index)) return { body: "raw" };
  const beside = besideBody(handler, request, params);
  const type = request.headers.get("content-type") ?? "";
  if (type.includes("multipart/form-data")) return { body: "raw", fields: beside };
  const input = await ownFields(handler.input, request, type);
  const isObject = typeof input === "object" && input !== null && !Array.isArray(input);
  if (!isObject) return { input };
  const fields = Object.keys(fieldsOf(handler));
  // What has a place of its own is not taken from the body.
  const own = Object.entries(input).filter(([name]) => !fields.includes(name));
  return { input: { ...Object.fromEntries(own), ...beside } };
}

function fieldsOf({ action }: HandlerManifest): Record<string, FieldMapping & { name: string }> {
  return action.input_fields as Record<string, FieldMapping & { name: string }>;
}

async function ownFields(schema: TSchema, request: Request, type: string): Promise<unknown> {
  if (["GET", "HEAD", "DELETE"].includes(request.method))
    return texts(schema, new URL(request.url).searchParams);
  const text = await request.text();
  if (type.includes("application/x-www-form-urlencoded"))
    return texts(schema, new URLSearchParams(text));
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRequest("the body is not valid JSON");
  }
}

function texts(schema: TSchema, pairs: URLSearchParams): Record<string, unknown> {
  const known = propertiesOf(schema);
  const isOpen = Object.keys(known).length === 0;
  const names = [...new Set(pairs.keys())].filter((name) => isOpen || name in known);
  return Object.fromEntries(names.map((name) => [name, read(known[name], pairs.getAll(name))]));
}

function besideBody(
  handler: HandlerManifest,
  request: Request,
  params: Record<string, string>,
): Record<string, unknown> {
  const known = propertiesOf(handler.input);
  const mapped = fieldsOf(handler);
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(params))
    if (name in known && !(name in mapped)) found[name] = read(known[name], [value]);
  const query = new URL(request.url).searchParams;
  const cookies = new Bun.CookieMap(request.headers.get("cookie") ?? "");
  for (const [field, mapping] of Object.entries(mapped)) {
    const { name } = mapping;
    const values = {
      path: () => [params[name] ?? null],
      query: () => query.getAll(name),
      header: () => [request.headers.get(name)],
      cookie: () => [cookies.get(name)],
    }
      [mapping.in]()
      .filter((value) => value !== null);
    if (values.length > 0) found[field] = read(known[field], values);
  }
  return found;
}

/** Several values, or one with commas, where the schema wants a list. */
function read(schema: TSchema | undefined, values: readonly string[]): unknown {
  const [first = ""] = values;
  const isList = schema?.type === "array";
  const value =
    isList && values.length === 1 ? first.split(",") : values.length > 1 ? values : first;
  return schema === undefined ? value : coerce(schema, value);
}
