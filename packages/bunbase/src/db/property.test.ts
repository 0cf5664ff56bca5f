/** Random filters give the rows that a plain filter of the same data gives, on each database. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDatabases, type TestDatabases } from "../../test/databases.ts";
import { createDB } from "./client.ts";
import type { Filter } from "./filter.ts";
import { json } from "./json.ts";

interface Item {
  id: number;
  n: number | null;
  name: string | null;
  meta: { a?: string | number | boolean | null } | null;
}

interface Tables {
  items: { Row: Item; Insert: Item; Update: Partial<Item> };
}

type Items = Filter<{ items: Item }, "items">;
/** As SQL has it: null where it is not known. */
type Truth = boolean | null;

interface Condition {
  text: string;
  apply(filter: Items): Items;
  holds(item: Item): Truth;
}

const ROUNDS = 400;
let databases: TestDatabases;
beforeAll(async () => {
  databases = await startDatabases();
});
afterAll(() => databases.stop());

test("random queries give the rows of a plain filter", async () => {
  const seed = Number(process.env.BUNBASE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  for (const { name, executor } of databases.each) {
    const random = generator(seed);
    const db = createDB<Tables>(executor);
    const types = name === "sqlite" ? "meta TEXT" : "meta JSONB";
    await executor.query(
      `CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER, name TEXT, ${types})`,
    );
    const items = Array.from({ length: 60 }, (_, id) => randomItem(random, id));
    await db.from("items").insert(items);
    for (let round = 0; round < ROUNDS; round++) {
      const conditions = Array.from({ length: random(3) }, () => condition(random, 2));
      const query = db.from("items").select("id").orderBy("id");
      for (const { apply } of conditions) apply(query);
      const found = (await query).map(({ id }) => id);
      const wanted = items.filter((item) => conditions.every(({ holds }) => holds(item) === true));
      const context = `${name}, seed ${seed}: ${conditions.map(({ text }) => text).join(" AND ")}`;
      expect({ context, ids: found }).toEqual({ context, ids: wanted.map(({ id }) => id) });
      expect(await query.count()).toBe(wanted.length);
    }
  }
}, 60_000);

type Random = (below: number) => number;

/** mulberry32. */
function generator(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function pick<V>(random: Random, values: readonly V[]): V {
  return values[random(values.length)] as V;
}

const NAMES = ["a", "B", "ab", "aB", "a_b", "a%b", "a*b", "a[b", "a\\b", "", "ba?"];
const PATTERNS = ["a%", "%b", "_", "a_b", "a\\_b", "a\\%b", "%*%", "%[%", "a\\\\b", "%", "", "%?"];
const SCALARS = ["x", "y", 1, 2, 1.5, true, false];

function randomItem(random: Random, id: number): Item {
  const a = pick(random, [...SCALARS, null, undefined]);
  return {
    id,
    n: pick(random, [null, 0, 1, 2, 3]),
    name: pick(random, [null, ...NAMES]),
    meta: pick(random, [null, a === undefined ? {} : { a }]),
  };
}

function condition(random: Random, depth: number): Condition {
  const kinds = [compare, compareJson, pattern, among, nullness, range];
  return pick(random, depth > 0 ? [...kinds, or, not] : kinds)(random, depth - 1);
}

const OPERATORS = {
  eq: (a: unknown, b: unknown) => a === b,
  neq: (a: unknown, b: unknown) => a !== b,
  gt: (a: number, b: number) => a > b,
  gte: (a: number, b: number) => a >= b,
  lt: (a: number, b: number) => a < b,
  lte: (a: number, b: number) => a <= b,
} as const;
const NAMES_OF_OPERATORS = Object.keys(OPERATORS) as (keyof typeof OPERATORS)[];

function compare(random: Random): Condition {
  const operator = pick(random, NAMES_OF_OPERATORS);
  const column = pick(random, ["n", "name"] as const);
  const value = column === "n" ? random(4) : pick(random, NAMES);
  const compared = OPERATORS[operator] as (a: unknown, b: unknown) => boolean;
  return {
    text: `${column} ${operator} ${value}`,
    apply: (filter) => filter[operator](column, value),
    holds: (item) => (item[column] === null ? null : compared(item[column], value)),
  };
}

function compareJson(random: Random): Condition {
  const operator = pick(random, NAMES_OF_OPERATORS);
  const value = pick(random, SCALARS);
  const compared = OPERATORS[operator] as (a: unknown, b: unknown) => boolean;
  return {
    text: `meta.a ${operator} ${JSON.stringify(value)}`,
    apply: (filter) => filter[operator](json("meta", "$.a"), value),
    holds: ({ meta }) => {
      const a = meta?.a ?? null;
      if (a === null) return null;
      return typeof a === typeof value ? compared(a, value) : operator === "neq";
    },
  };
}

function pattern(random: Random): Condition {
  const operator = pick(random, ["like", "ilike"] as const);
  const text = pick(random, PATTERNS);
  const source = text.replace(/\\?./gs, (token) => {
    if (token === "%") return "[^]*";
    if (token === "_") return "[^]";
    return `\\x${token.slice(-1).charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  const expression = new RegExp(`^${source}$`, operator === "ilike" ? "i" : "");
  return {
    text: `name ${operator} ${text}`,
    apply: (filter) => filter[operator]("name", text),
    holds: ({ name }) => (name === null ? null : expression.test(name)),
  };
}

function among(random: Random): Condition {
  const values = Array.from({ length: random(4) }, () => pick(random, [null, 0, 1, 2, 3]));
  return {
    text: `n in ${JSON.stringify(values)}`,
    apply: (filter) => filter.in("n", values),
    holds: ({ n }) => {
      if (n !== null) return values.includes(n);
      if (values.includes(null)) return true;
      return values.length === 0 ? false : null;
    },
  };
}

function nullness(random: Random): Condition {
  const column = pick(random, ["n", "name", "meta"] as const);
  const isNull = random(2) === 0;
  return {
    text: `${column} is ${isNull ? "" : "not "}null`,
    apply: (filter) => (isNull ? filter.isNull(column) : filter.isNotNull(column)),
    holds: (item) => (item[column] === null) === isNull,
  };
}

function range(random: Random): Condition {
  const [low, high] = [random(4), random(4)];
  return {
    text: `n between ${low} and ${high}`,
    apply: (filter) => filter.between("n", low, high),
    holds: ({ n }) => (n === null ? null : n >= low && n <= high),
  };
}

function or(random: Random, depth: number): Condition {
  const branches = Array.from({ length: random(3) }, () => condition(random, depth));
  return {
    text: `(${branches.map(({ text }) => text).join(" OR ")})`,
    apply: (filter) => filter.or(...branches.map(({ apply }) => apply)),
    holds: (item) => {
      const truths = branches.map(({ holds }) => holds(item));
      if (truths.includes(true)) return true;
      return truths.includes(null) ? null : false;
    },
  };
}

function not(random: Random, depth: number): Condition {
  const inner = condition(random, depth);
  return {
    text: `NOT (${inner.text})`,
    apply: (filter) => filter.not(inner.apply),
    holds: (item) => {
      const truth = inner.holds(item);
      return truth === null ? null : !truth;
    },
  };
}
