/** An array in the place of a collection: as much of the query language as the functions use. */
import type { Filter, NewDocument, Page, QueryOptions, WithId } from "bunbase-js";
import type { Reader, Writer } from "../lib/places.ts";

export class MemoryCollection<T extends object> implements Reader<T>, Writer<T> {
  readonly documents: WithId<T>[];
  /** Documents that queries have answered with. */
  answered = 0;
  queries = 0;

  constructor(documents: readonly WithId<T>[] = []) {
    this.documents = [...documents];
  }

  async get(id: string): Promise<WithId<T> | null> {
    return this.documents.find((document) => document._id === id) ?? null;
  }

  async create(document: NewDocument<T>): Promise<WithId<T>> {
    const created = { ...document, _id: document._id ?? String(this.documents.length + 1) };
    this.documents.push(created);
    return created;
  }

  async query(filter: Filter<T>, options: QueryOptions = {}): Promise<Page<WithId<T>>> {
    const from = Number(options.cursor ?? 0);
    const to = from + (options.limit ?? 100);
    const matching = this.documents.filter((document) => matches(document, filter));
    const [path, order] = Object.entries(options.sort ?? {})[0] ?? ["_id", 1];
    const sorted = matching.sort((a, b) => order * compare(value(a, path), value(b, path)));
    const documents = sorted.slice(from, to);
    this.queries += 1;
    this.answered += documents.length;
    return { documents, next_cursor: to < sorted.length ? String(to) : null };
  }
}

function matches(document: object, filter: object): boolean {
  return Object.entries(filter).every(([path, wanted]) => {
    const found = value(document, path);
    if (typeof wanted !== "object" || wanted === null) return found === wanted;
    return Object.entries(wanted).every(([operator, bound]) => holds(operator, found, bound));
  });
}

function holds(operator: string, found: unknown, bound: unknown): boolean {
  if (operator === "$gte") return compare(found, bound) >= 0;
  if (operator === "$lt") return compare(found, bound) < 0;
  throw new Error(`the stand-in does not know ${operator}`);
}

function value(document: object, path: string): unknown {
  return (document as Record<string, unknown>)[path];
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a) < String(b) ? -1 : Number(String(a) > String(b));
}
