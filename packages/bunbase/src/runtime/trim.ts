// What schemas of objects do not name is no part of a value: it neither comes in with a request nor goes out with an
// answer. So a row with more columns shows no more than the output says, and an input can be written to a table as it is.

import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** Gives the same value where there is nothing to drop, else a copy. */
export type Trim = (value: unknown) => unknown;

type Properties = Record<string, Trim | undefined>;

/** How values of a schema are trimmed; `undefined` where nothing in it names the fields of an object. */
export function trimOf(schema: TSchema): Trim | undefined {
  if (Array.isArray(schema.anyOf)) return ofUnion(schema.anyOf);
  const properties = propertiesIn(schema);
  if (properties !== undefined) return (value) => ofObject(properties, value);
  if (schema.type !== "array" || schema.items === undefined || Array.isArray(schema.items))
    return undefined;
  const trim = trimOf(schema.items);
  return trim && ((value) => (Array.isArray(value) ? ofList(trim, value) : value));
}

/** The fields that an object may have; `undefined` where it may have others as well. */
function propertiesIn(schema: TSchema): Properties | undefined {
  if (Array.isArray(schema.allOf)) {
    const parts = schema.allOf.map(propertiesIn);
    return parts.includes(undefined) ? undefined : Object.assign(Object.create(null), ...parts);
  }
  const isClosed = schema.additionalProperties === undefined || !schema.additionalProperties;
  if (schema.type !== "object" || schema.properties === undefined || !isClosed) return undefined;
  const entries = Object.entries(schema.properties as Record<string, TSchema>);
  const properties: Properties = Object.create(null);
  for (const [name, of] of entries) properties[name] = trimOf(of);
  return properties;
}

function ofObject(properties: Properties, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const given = value as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(given)) {
    if (!(name in properties)) {
      copy ??= { ...given };
      delete copy[name];
      continue;
    }
    const trim = properties[name];
    if (trim === undefined) continue;
    const trimmed = trim(given[name]);
    if (trimmed === given[name]) continue;
    copy ??= { ...given };
    copy[name] = trimmed;
  }
  return copy ?? value;
}

function ofList(trim: Trim, values: readonly unknown[]): readonly unknown[] {
  const trimmed = values.map(trim);
  return trimmed.some((value, index) => value !== values[index]) ? trimmed : values;
}

/** As the first variant that the value fits. */
function ofUnion(variants: readonly TSchema[]): Trim | undefined {
  const trims = variants.map(trimOf);
  if (trims.every((trim) => trim === undefined)) return undefined;
  return (value) => {
    if (typeof value !== "object" || value === null) return value;
    const trim = trims[variants.findIndex((variant) => Value.Check(variant, value))];
    return trim === undefined ? value : trim(value);
  };
}
