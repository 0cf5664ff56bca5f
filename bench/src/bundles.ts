// Functions to deploy for the cold starts: a tiny one, and one of about 1 MB after minification that looks
// like an application: many modules with classes, tables, patterns and functions, all of them evaluated at
// import.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Gives 1.0 MB after `bun build --minify`. */
export const MODULES = 412;
const ROWS_PER_MODULE = 6;

/** Writes the tiny function; gives the file to deploy. */
export function writeTiny(directory: string, name: string): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${name}.ts`);
  writeFileSync(file, `export default () => Response.json({ hello: "${name}" });\n`);
  return file;
}

/** Writes the modules that all large functions share. */
export function writeModules(directory: string): void {
  const modules = join(directory, "modules");
  mkdirSync(modules, { recursive: true });
  for (let number = 0; number < MODULES; number++) {
    writeFileSync(join(modules, `area${number}.ts`), moduleSource(number));
  }
  const numbers = Array.from({ length: MODULES }, (_, number) => number);
  const imports = numbers.map(
    (number) => `import * as area${number} from "./modules/area${number}.ts";`,
  );
  const list = numbers.map((number) => `area${number}`).join(", ");
  writeFileSync(
    join(directory, "areas.ts"),
    `${imports.join("\n")}\nexport const areas = [${list}];\n`,
  );
}

/** Writes one large function beside the modules; gives the file to deploy. */
export function writeLarge(directory: string, name: string): string {
  const file = join(directory, `${name}.ts`);
  writeFileSync(
    file,
    `import { areas } from "./areas.ts";

export default (request: Request) => {
  const area = areas[request.url.length % areas.length]!;
  return Response.json({ hello: "${name}", area: area.describe(), total: area.quote([1, 2, 3]) });
};
`,
  );
  return file;
}

function moduleSource(number: number): string {
  const rows = Array.from({ length: ROWS_PER_MODULE }, (_, row) => tableRow(number * 31 + row * 7));
  return `
interface Line${number} { sku: string; title: string; priceCents: number; weightGrams: number; tags: string[] }

export const catalogue${number}: Line${number}[] = [
${rows.join("\n")}
];

const bySku = new Map(catalogue${number}.map((line) => [line.sku, line]));
const patterns = { sku: /^A${number}-[0-9a-f]{4,12}$/i, postcode: /^\\d{4,5}(-\\d{4})?$/, phone: /^\\+?[\\d ()-]{6,20}$/ };

export class Ledger${number} {
  #entries: { at: number; amountCents: number; text: string }[] = [];
  #listeners = new Set<(balance: number) => void>();

  get balanceCents(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.amountCents, 0);
  }

  post(amountCents: number, text: string, at = ${1_700_000_000_000 + number * 86_400}): this {
    if (!Number.isSafeInteger(amountCents)) throw new RangeError("ledger ${number}: the amount is not a whole number of cents");
    if (text.length > ${120 + (number % 80)}) throw new RangeError("ledger ${number}: the text is too long");
    this.#entries.push({ at, amountCents, text });
    for (const listener of this.#listeners) listener(this.balanceCents);
    return this;
  }

  onChange(listener: (balance: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  *statement(from: number, until: number): Generator<string> {
    for (const { at, amountCents, text } of this.#entries) {
      if (at >= from && at < until) yield [new Date(at).toISOString(), (amountCents / 100).toFixed(2), text].join(";");
    }
  }
}

export function validateOrder${number}(order: Record<string, unknown>): string[] {
  const problems: string[] = [];
  if (typeof order.sku !== "string" || !patterns.sku.test(order.sku)) problems.push("sku of area ${number} is not valid");
  if (typeof order.postcode !== "string" || !patterns.postcode.test(order.postcode)) problems.push("postcode is not valid");
  if (order.phone !== undefined && !patterns.phone.test(String(order.phone))) problems.push("phone is not valid");
  switch (order.delivery) {
    case "pickup": break;
    case "parcel": if (Number(order.weightGrams) > ${20_000 + number}) problems.push("too heavy for a parcel"); break;
    case "freight": if (!order.company) problems.push("freight goes to companies only"); break;
    default: problems.push("delivery has to be pickup, parcel or freight");
  }
  return problems;
}

export const ledger = new Ledger${number}().post(${number * 17 + 5}, "opening balance ${number}");

export function quote(quantities: number[]): number {
  return quantities.reduce((sum, quantity, index) => {
    const line = catalogue${number}[index % catalogue${number}.length];
    return sum + quantity * (line?.priceCents ?? 0);
  }, ledger.balanceCents);
}

export function describe(): string {
  return "area ${number}: " + bySku.size + " lines, " + validateOrder${number}({}).length + " checks";
}
`;
}

function tableRow(seed: number): string {
  const sku = `A${Math.floor(seed / 31)}-${(seed * 2_654_435_761).toString(16).slice(0, 10)}`;
  const title = `Article ${seed} with ${seed % 9} drawers in ${["oak", "beech", "steel", "glass"][seed % 4]}`;
  const tags = `["season-${seed % 4}", "shelf-${seed % 57}"]`;
  return `  { sku: "${sku}", title: "${title}", priceCents: ${seed * 13 + 99}, weightGrams: ${seed % 9_000}, tags: ${tags} },`;
}
