// Types of TypeScript for what JSON Schema says, as TypeBox writes it.

export interface JsonSchema {
  [key: string]: unknown;
  type?: string;
  properties?: Record<string, JsonSchema>;
  required?: readonly string[];
}

/** `input`: what has a default may be left out. `output`: it is there. */
export type Side = "input" | "output";

const SCALARS: Record<string, string> = {
  string: "string",
  number: "number",
  integer: "number",
  boolean: "boolean",
  null: "null",
  /** In JSON a time is text. */
  Date: "string",
};

/** `unknown` for what has no type of its own, such as references and negations. */
export function typeOf(schema: JsonSchema, side: Side): string {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return union(schema.enum.map((each) => JSON.stringify(each)));
  const parts = (schema.anyOf ?? schema.oneOf) as JsonSchema[] | undefined;
  if (parts !== undefined) return union(parts.map((part) => typeOf(part, side)));
  if (Array.isArray(schema.allOf))
    return schema.allOf.map((part) => `(${typeOf(part, side)})`).join(" & ") || "unknown";
  if (schema.type === "array") return listType(schema, side);
  if (schema.type === "object") return objectType(schema, side);
  return SCALARS[schema.type ?? ""] ?? "unknown";
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(" | ") || "never";
}

function listType({ items }: JsonSchema, side: Side): string {
  if (Array.isArray(items)) return `[${items.map((item) => typeOf(item, side)).join(", ")}]`;
  return `Array<${items === undefined ? "unknown" : typeOf(items as JsonSchema, side)}>`;
}

function objectType(schema: JsonSchema, side: Side): string {
  const named = Object.entries(schema.properties ?? {}).map(
    ([name, property]) =>
      `${JSON.stringify(name)}${isOptional(schema, name, side) ? "?" : ""}: ${typeOf(property, side)}`,
  );
  const [others] = Object.values((schema.patternProperties ?? {}) as Record<string, JsonSchema>);
  if (others !== undefined && named.length === 0) return `Record<string, ${typeOf(others, side)}>`;
  return named.length === 0 ? "Record<string, unknown>" : `{ ${named.join("; ")} }`;
}

export function isOptional(schema: JsonSchema, name: string, side: Side): boolean {
  const isRequired = schema.required?.includes(name) ?? false;
  return !isRequired || (side === "input" && "default" in (schema.properties?.[name] ?? {}));
}

/** The schema without some of its fields. */
export function without(schema: JsonSchema, names: readonly string[]): JsonSchema {
  const kept = Object.entries(schema.properties ?? {}).filter(([name]) => !names.includes(name));
  return names.length === 0 ? schema : { ...schema, properties: Object.fromEntries(kept) };
}
