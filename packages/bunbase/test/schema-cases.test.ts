// One table of schemas and values runs on TypeBox here and on the checks of crates/actions there: both have to give
// what the table says. Rows that are `in_bun` are left to TypeBox by the other side, for what its reason names.
import { describe, expect, test } from "bun:test";
import { Kind, OptionalKind, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import "../src/runtime/formats.ts";
import cases from "./schema-cases.json";

type Json = Record<string, unknown>;
interface Row {
  schema: Json;
  value: unknown;
  errors: { path: string; message: string }[];
  result?: unknown;
  in_bun?: boolean;
}

/** The schema that was serialised to `json`: its kinds are not in the text. */
function revived(json: Json): TSchema {
  const part = (value: unknown) => revived(value as Json);
  const parts = (value: unknown) => (value as Json[]).map(part);
  const record = (value: unknown) =>
    Object.fromEntries(Object.entries(value as Json).map(([name, schema]) => [name, part(schema)]));
  const kind = kindOf(json);
  const schema: Json = { ...json, [Kind]: kind };
  for (const name of ["anyOf", "allOf"]) if (name in json) schema[name] = parts(json[name]);
  if (kind === "Not") schema.not = part(json.not);
  if ("contains" in json) schema.contains = part(json.contains);
  if ("items" in json)
    schema.items = Array.isArray(json.items) ? parts(json.items) : part(json.items);
  if ("patternProperties" in json) schema.patternProperties = record(json.patternProperties);
  if (typeof json.additionalProperties === "object")
    schema.additionalProperties = part(json.additionalProperties);
  if ("properties" in json) {
    const properties = record(json.properties) as Record<string, Json>;
    const required = (json.required ?? []) as string[];
    for (const [name, property] of Object.entries(properties))
      if (!required.includes(name)) properties[name] = { ...property, [OptionalKind]: "Optional" };
    schema.properties = properties;
  }
  return schema as unknown as TSchema;
}

function kindOf(json: Json): string {
  if ("const" in json) return "Literal";
  if ("anyOf" in json) return "Union";
  if ("allOf" in json) return "Intersect";
  if ("not" in json) return Object.keys(json.not as Json).length === 0 ? "Never" : "Not";
  switch (json.type) {
    case undefined:
      return "Any";
    case "array":
      return Array.isArray(json.items) || json.items === undefined ? "Tuple" : "Array";
    case "object":
      return "patternProperties" in json ? "Record" : "Object";
    default:
      return (json.type as string).replace(/^[a-z]/, (first) => first.toUpperCase());
  }
}

/** The first error of each path, in the order of paths. */
function firstErrors(schema: TSchema, value: unknown) {
  const errors = new Map<string, string>();
  for (const { path, message } of Value.Errors(schema, value))
    if (!errors.has(path)) errors.set(path, message);
  return [...errors]
    .map(([path, message]) => ({ path, message }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function outcome(row: Pick<Row, "schema" | "value">) {
  const schema = revived(row.schema);
  const filled = Value.Default(schema, structuredClone(row.value));
  const errors = Value.Check(schema, filled) ? [] : firstErrors(schema, filled);
  return { errors, filled };
}

describe("the table of schemas", () => {
  test.each((cases as Row[]).map((row, index) => [index, row] as const))("row %d", (_, row) => {
    const { errors, filled } = outcome(row);
    expect(errors).toEqual(row.errors);
    if (errors.length === 0) expect(filled).toEqual("result" in row ? row.result : row.value);
  });

  test("what TypeBox writes is what is revived", () => {
    const written = [
      Type.Object({ a: Type.String(), b: Type.Optional(Type.Integer({ minimum: 1 })) }),
      Type.Union([Type.Literal("a"), Type.Null(), Type.Array(Type.Boolean())]),
      Type.Intersect([Type.Object({ a: Type.Any() }), Type.Object({})]),
      Type.Record(Type.String(), Type.Tuple([Type.Number()])),
      Type.Never(),
    ];
    for (const schema of written)
      expect(revived(JSON.parse(JSON.stringify(schema))) as unknown).toEqual(schema);
  });
});
