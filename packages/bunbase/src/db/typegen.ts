/** Types of the tables that a database has, as the text of `.bunbase/database.d.ts`. */
import type { SqlExecutor } from "./executor.ts";

/** A column as the three types of its table see it. `insert` is undefined for one that only the database writes. */
interface TypedColumn {
  table: string;
  name: string;
  row: string;
  insert: string | undefined;
  nullable: boolean;
  /** Whether an insert may leave it out. */
  optional: boolean;
}

export interface TypegenOptions {
  /** Of PostgreSQL, `public` unless said. */
  schema?: string;
}

/** The whole file: every table (no views) as an entry of `Database`. */
export async function generateTypes(
  executor: SqlExecutor,
  options: TypegenOptions = {},
): Promise<string> {
  const tables = await renderTables(executor, options);
  return `// Written by "bunbase typegen db". Do not edit: it is written again.
import "bunbase/db";

declare module "bunbase/db" {
  interface Database {
${indented(tables, 4)}
  }
}
`;
}

/** One `name: { Row, Insert, Update };` for each table. */
export async function renderTables(
  executor: SqlExecutor,
  { schema = "public" }: TypegenOptions = {},
): Promise<string> {
  const columns =
    executor.dialect === "sqlite"
      ? await sqliteColumns(executor)
      : await postgresColumns(executor, schema);
  const tables = Map.groupBy(columns, ({ table }) => table);
  return [...tables].map(([name, list]) => renderTable(name, list)).join("\n");
}

function renderTable(name: string, columns: readonly TypedColumn[]): string {
  const writable = columns.filter(({ insert }) => insert !== undefined);
  const row = columns.map((column) => field(column.name, column.row, column.nullable, ""));
  const insert = writable.map(({ name: key, insert: type, nullable, optional }) =>
    field(key, type, nullable, optional ? "?" : ""),
  );
  const update = writable.map((column) => field(column.name, column.insert, column.nullable, "?"));
  return `${key(name)}: {\n  Row: ${block(row)};\n  Insert: ${block(insert)};\n  Update: ${block(update)};\n};`;
}

function field(name: string, type: string | undefined, nullable: boolean, mark: string): string {
  return `${key(name)}${mark}: ${type}${nullable && type !== "unknown" ? " | null" : ""};`;
}

function block(fields: readonly string[]): string {
  return `{\n${indented(fields.join("\n"), 4)}\n  }`;
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function indented(text: string, spaces: number): string {
  return text.replace(/^(?=.)/gm, " ".repeat(spaces));
}

// `hidden` is 2 or 3 for a generated column. An INTEGER PRIMARY KEY fills itself.
const SQLITE_COLUMNS = `
SELECT t.name, c.name, c.type, c."notnull", c.dflt_value IS NOT NULL, c.pk, c.hidden,
  (SELECT count(*) FROM pragma_table_xinfo(t.name) k WHERE k.pk > 0)
FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c
WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE '\\_%' ESCAPE '\\'
  AND c.hidden <> 1
ORDER BY t.name, c.cid`;

type SqliteColumn = [string, string, string, number, number, number, number, number];

async function sqliteColumns(executor: SqlExecutor): Promise<TypedColumn[]> {
  const { rows } = await executor.query(SQLITE_COLUMNS);
  return (rows as SqliteColumn[]).map(
    ([table, name, type, notNull, hasDefault, pk, hidden, keys]) => {
      const rowid = pk > 0 && keys === 1 && type.toUpperCase() === "INTEGER";
      const nullable = notNull === 0 && !rowid;
      const [row, insert] = sqliteType(type.toUpperCase());
      const optional = nullable || hasDefault === 1 || rowid;
      return { table, name, row, insert: hidden === 0 ? insert : undefined, nullable, optional };
    },
  );
}

type Types = [row: string, insert: string];

/**
 * By the declared type. SQLite knows no booleans, times and JSON: they are read as it stores them (0 or 1,
 * milliseconds since the epoch, text), and may be written as what they are.
 */
const SQLITE_TYPES: readonly [RegExp, Types][] = [
  [/BOOL/, ["number", "boolean | number"]],
  [/JSON/, ["string", "unknown"]],
  [/DATE|TIME/, ["number", "Date | number"]],
  [/INT/, ["number", "number | bigint"]],
  [/CHAR|CLOB|TEXT|UUID/, ["string", "string"]],
  [/BLOB/, ["Uint8Array", "Uint8Array"]],
  [/REAL|FLOA|DOUB|NUM|DEC/, ["number", "number"]],
];

function sqliteType(declared: string): Types {
  return SQLITE_TYPES.find(([pattern]) => pattern.test(declared))?.[1] ?? ["unknown", "unknown"];
}

const POSTGRES_COLUMNS = `
SELECT c.relname, a.attname, coalesce(e.typname, t.typname), e.oid IS NOT NULL, a.attnotnull,
  a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
  (SELECT string_agg(to_json(enumlabel)::text, ' | ' ORDER BY enumsortorder)
   FROM pg_enum WHERE enumtypid = coalesce(e.oid, t.oid))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type declared ON declared.oid = a.atttypid
JOIN pg_type t ON t.oid = CASE declared.typtype WHEN 'd' THEN declared.typbasetype ELSE declared.oid END
LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE '\\_%'
ORDER BY c.relname, a.attnum`;

type PostgresColumn = [string, string, string, boolean, boolean, boolean, boolean, string | null];

async function postgresColumns(executor: SqlExecutor, schema: string): Promise<TypedColumn[]> {
  const { rows } = await executor.query(POSTGRES_COLUMNS, [schema]);
  return (rows as PostgresColumn[]).map(
    ([table, name, type, isArray, notNull, hasDefault, generated, labels]) => {
      const [row, insert] = labels === null ? postgresType(type) : ([labels, labels] as Types);
      const nullable = !notNull;
      return {
        table,
        name,
        row: isArray ? arrayOf(row) : row,
        insert: generated ? undefined : isArray ? arrayOf(insert) : insert,
        nullable,
        optional: nullable || hasDefault,
      };
    },
  );
}

function arrayOf(type: string): string {
  return type.includes("|") ? `(${type})[]` : `${type}[]`;
}

/** Beyond 2^53 an int8 is a bigint, and beyond 15 digits a numeric is a string, whatever is said here. */
const POSTGRES_TYPES: Record<string, Types> = {
  ...named("text varchar bpchar char name citext uuid xml inet cidr macaddr", "string"),
  ...named("time timetz interval money bit varbit tsvector", "string"),
  ...named("int2 int4 oid float4 float8 numeric", "number"),
  int8: ["number", "number | bigint"],
  bool: ["boolean", "boolean"],
  ...named("json jsonb", "unknown"),
  ...named("date timestamp timestamptz", "Date", "Date | string"),
  bytea: ["Uint8Array", "Uint8Array"],
};

function named(names: string, row: string, insert = row): Record<string, Types> {
  return Object.fromEntries(names.split(" ").map((name) => [name, [row, insert] as Types]));
}

function postgresType(type: string): Types {
  return POSTGRES_TYPES[type] ?? ["unknown", "unknown"];
}
