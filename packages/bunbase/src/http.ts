/** Where a field of an action's input or output stands in HTTP. */

import type { TSchema } from "@sinclair/typebox";

export type FieldPlace = "header" | "query" | "path" | "cookie";

export interface CookieFieldOptions {
  httpOnly?: boolean;
  secure?: boolean;
  sameSite?: "strict" | "lax" | "none";
  /** Seconds. */
  maxAge?: number;
  path?: string;
  domain?: string;
}

export interface FieldMapping {
  in: FieldPlace;
  /** In HTTP; the field's own name where absent. */
  name?: string;
  options?: CookieFieldOptions;
}

const MAPPING = Symbol.for("bunbase.http.field");

function mark<T extends TSchema>(schema: T, mapping: FieldMapping): T {
  // With the symbols of TypeBox: without them an optional field would not be one any more.
  const copy = Object.create(
    Object.getPrototypeOf(schema),
    Object.getOwnPropertyDescriptors(schema),
  );
  // Enumerable, so that `t.Optional(http.Query(…))` keeps it.
  Object.defineProperty(copy, MAPPING, { value: mapping, enumerable: true });
  return copy as T;
}

/** How a field is mapped, if it is. */
export function mappingOf(schema: TSchema): FieldMapping | undefined {
  return (schema as { [MAPPING]?: FieldMapping })[MAPPING];
}

function named(place: FieldPlace, name: string | undefined): FieldMapping {
  return name === undefined ? { in: place } : { in: place, name };
}

export const http = {
  /** A header; its name in any case. */
  Header: <T extends TSchema>(schema: T, name?: string): T => mark(schema, named("header", name)),
  /** A parameter behind `?`. */
  Query: <T extends TSchema>(schema: T, name?: string): T => mark(schema, named("query", name)),
  /** A part of the path: `/tasks/:id`. */
  Path: <T extends TSchema>(schema: T, name?: string): T => mark(schema, named("path", name)),
  /** A cookie; the options are for those that are set. */
  Cookie: <T extends TSchema>(schema: T, name?: string, options?: CookieFieldOptions): T =>
    mark(schema, { ...named("cookie", name), ...(options === undefined ? {} : { options }) }),
};
