// Schemas as they are used at a call: compiled once, asked for values and for what is wrong with them.

import { Kind, TransformKind, type TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { Value } from "@sinclair/typebox/value";
import { ActionValidationError, type ValidationProblem } from "../errors.ts";
import { expectFormat } from "./formats.ts";
import { type Trim, trimOf } from "./trim.ts";

const PROBLEMS_MAX = 20;
/** What only TypeBox knows: JSON has no such values. */
const OPAQUE = new Set(["Date", "BigInt", "Function", "Symbol", "Uint8Array", "RegExp", "Promise"]);

export interface Schema {
  readonly schema: TSchema;
  /** Whether only TypeBox can check it. */
  readonly isOpaque: boolean;
  /** Whether values are something else inside an action than in JSON. */
  readonly hasTransform: boolean;
  readonly hasDefaults: boolean;
  /** Drops what the schema does not name. */
  readonly trim: Trim;
  check(value: unknown): boolean;
  problems(value: unknown): ValidationProblem[];
}

export function compile(schema: TSchema): Schema {
  const { isOpaque, hasTransform, hasDefaults } = look(schema);
  // At the first call: an application with many actions starts faster.
  let compiled: TypeCheck<TSchema> | undefined;
  const checker = (): TypeCheck<TSchema> => {
    compiled ??= TypeCompiler.Compile(schema);
    return compiled;
  };
  return {
    schema,
    isOpaque,
    hasTransform,
    hasDefaults,
    trim: trimOf(schema) ?? ((value) => value),
    check: (value) => checker().Check(value),
    problems: (value) => [
      ...take(checker().Errors(value), ({ path, message }) => ({ path, message })),
    ],
  };
}

function* take<A, B>(all: Iterable<A>, map: (one: A) => B): Generator<B> {
  let count = 0;
  for (const one of all) {
    if (++count > PROBLEMS_MAX) return;
    yield map(one);
  }
}

interface Traits {
  isOpaque: boolean;
  hasTransform: boolean;
  hasDefaults: boolean;
}

function look(schema: TSchema): Traits {
  const traits: Traits = { isOpaque: false, hasTransform: false, hasDefaults: false };
  const visit = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return;
    if (Array.isArray(part)) {
      part.forEach(visit);
      return;
    }
    const node = part as Record<string | symbol, unknown>;
    if (TransformKind in node) traits.hasTransform = true;
    if (OPAQUE.has(String(node[Kind]))) traits.isOpaque = true;
    if ("default" in node) traits.hasDefaults = true;
    if (node[Kind] === "String" && typeof node.format === "string") expectFormat(node.format);
    for (const value of Object.values(node)) visit(value);
  };
  visit(schema);
  traits.isOpaque ||= traits.hasTransform;
  return traits;
}

/** The value with defaults, as the handler gets it; throws where it does not fit. */
export function decode(schema: Schema, value: unknown): unknown {
  const filled = schema.hasDefaults ? Value.Default(schema.schema, value) : value;
  if (!schema.check(filled)) throw new ActionValidationError("input", schema.problems(filled));
  return schema.hasTransform ? Value.Decode(schema.schema, filled) : filled;
}

/** The value as it goes out; throws where it does not fit. */
export function encode(schema: Schema, value: unknown): unknown {
  const out = schema.hasTransform ? Value.Encode(schema.schema, value) : value;
  if (!schema.check(out)) throw new ActionValidationError("output", schema.problems(out));
  return schema.trim(out);
}

/** Strings of a form, a query, a header or a cookie as what the schema wants of them. */
export function coerce(schema: TSchema, value: unknown): unknown {
  return Value.Convert(schema, value);
}
