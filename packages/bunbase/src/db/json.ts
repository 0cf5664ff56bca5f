/** Values inside a JSON column, for filters and selects. */
import type { Dialect } from "./executor.ts";
import { type Fragment, raw, sql } from "./fragment.ts";

export type JsonScalar = string | number | boolean | null;

/** Made by {@link json}. `alias` is its key in a selected row. */
export class JsonColumn<Alias extends string = string> {
  constructor(
    readonly column: string,
    readonly path: readonly (string | number)[],
    readonly alias: Alias,
  ) {}

  as<Other extends string>(alias: Other): JsonColumn<Other> {
    return new JsonColumn(this.column, this.path, alias);
  }
}

type LastName<Path extends string> = Path extends `${string}.${infer Rest}` ? LastName<Rest> : Path;

/**
 * What is at `path` of the JSON in `column`: `json("meta", "$.size")`, `json("meta", "$.tags[0]")`. In a filter it
 * is compared with a string, number, boolean or null (which is also what is missing). Selected, it is the parsed
 * value, under the last name of the path unless `.as(name)` says another.
 */
export function json<const Path extends string>(
  column: string,
  path: Path,
): JsonColumn<LastName<Path>> {
  const alias = path.slice(path.lastIndexOf(".") + 1) as LastName<Path>;
  return new JsonColumn(column, parsed(path), alias);
}

const SEGMENT = /\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]/y;

function parsed(path: string): (string | number)[] {
  const segments: (string | number)[] = [];
  SEGMENT.lastIndex = 1;
  while (path.startsWith("$") && SEGMENT.lastIndex < path.length) {
    const [, name, index] = SEGMENT.exec(path) ?? [];
    if (name === undefined && index === undefined) break;
    segments.push(name ?? Number(index));
    if (SEGMENT.lastIndex === path.length) return segments;
  }
  throw new TypeError(`${JSON.stringify(path)} is no path: write it like "$.name.other[0]"`);
}

/** The names of a path are of a small set of characters, so that they need no escaping. */
function pathText(dialect: Dialect, path: JsonColumn["path"]): Fragment {
  if (dialect === "postgres") return raw(`'{${path.join(",")}}'`);
  const steps = path.map((step) => (typeof step === "number" ? `[${step}]` : `."${step}"`));
  return raw(`'$${steps.join("")}'`);
}

/** The value to compare: a SQL value on SQLite, `jsonb` on PostgreSQL; null for JSON's null. */
export function jsonValue(dialect: Dialect, column: Fragment, path: JsonColumn["path"]): Fragment {
  const at = pathText(dialect, path);
  if (dialect === "sqlite") return sql`json_extract(${column}, ${at})`;
  return sql`nullif(${column}::jsonb #> ${at}, 'null'::jsonb)`;
}

/** The same as text, for `like`. */
export function jsonText(dialect: Dialect, column: Fragment, path: JsonColumn["path"]): Fragment {
  if (dialect === "sqlite") return jsonValue(dialect, column, path);
  return sql`(${column}::jsonb #>> ${pathText(dialect, path)})`;
}

/** As it is selected: JSON text on SQLite, to be parsed; parsed by the driver on PostgreSQL. */
export function jsonSelected(
  dialect: Dialect,
  column: Fragment,
  path: JsonColumn["path"],
): Fragment {
  const at = pathText(dialect, path);
  return dialect === "sqlite" ? sql`${column} -> ${at}` : sql`${column}::jsonb #> ${at}`;
}

/** Whether the value has the type of `value`, so that both databases agree; null where there is none. */
export function jsonSameType(
  dialect: Dialect,
  column: Fragment,
  path: JsonColumn["path"],
  value: JsonScalar,
): Fragment {
  const type = typeof value as keyof typeof SQLITE_TYPES;
  if (dialect === "postgres")
    return sql`jsonb_typeof(${jsonValue(dialect, column, path)}) = ${raw(`'${type}'`)}`;
  const at = pathText(dialect, path);
  return sql`nullif(json_type(${column}, ${at}), 'null') IN (${raw(SQLITE_TYPES[type])})`;
}

const SQLITE_TYPES = {
  string: "'text'",
  number: "'integer', 'real'",
  boolean: "'true', 'false'",
};

/** A value to compare `jsonValue` with. */
export function jsonOperand(dialect: Dialect, value: JsonScalar): Fragment {
  return dialect === "sqlite" ? sql`${value}` : sql`(${JSON.stringify(value)}::text)::jsonb`;
}
