/**
 * `GET search?q=san&country=ES&limit=20&cursor=…`: places whose name starts with `q`, whatever its
 * case and accents, in alphabetical order, page by page.
 */
import type { Filter } from "bunbase-js";
import { bunbase } from "bunbase-js/function";
import { answer } from "../lib/answer.ts";
import { Input, InvalidInput } from "../lib/input.ts";
import { nameKey, prefixRange } from "../lib/names.ts";
import { COLLECTIONS, type Handler, type Place, type Reader } from "../lib/places.ts";

const FIELDS = ["name", "country", "population", "lat", "lon"];

export function search(places: Reader<Place>): Handler {
  return answer("GET", async (request) => {
    const input = Input.ofQuery(request);
    const q = input.text("q", { max: 100 });
    const country = input.optionalText("country", { max: 2 });
    const limit = input.integer("limit", { min: 1, max: 100, fallback: 20 });
    const cursor = input.optionalText("cursor", { max: 4096 }) ?? null;
    input.check();
    const filter = byPrefix(q, country?.toUpperCase());
    const sort = { name_key: 1 } as const;
    const page = await places.query(filter, { sort, limit, cursor, fields: FIELDS });
    return Response.json({ places: page.documents, next_cursor: page.next_cursor });
  });
}

/** With a country the index on `country, name_key` serves it, without one that on `name_key`. */
function byPrefix(q: string, country: string | undefined): Filter<Place> {
  const prefix = nameKey(q);
  if (prefix === "") throw new InvalidInput({ q: "has to contain a letter or a digit" });
  const { from, to } = prefixRange(prefix);
  const name_key = { $gte: from, $lt: to };
  return country === undefined ? { name_key } : { country, name_key };
}

export default search(bunbase.db.collection<Place>(COLLECTIONS.places));
