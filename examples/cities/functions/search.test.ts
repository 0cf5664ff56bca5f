import { expect, test } from "bun:test";
import type { Place } from "../lib/places.ts";
import { get, somePlaces } from "../testing/fixtures.ts";
import { MemoryCollection } from "../testing/memory-collection.ts";
import { search } from "./search.ts";

const handler = search(new MemoryCollection<Place>(somePlaces));

async function names(query: Record<string, string>): Promise<string[]> {
  const { body } = await get(handler, query);
  return body.places.map((place: Place) => `${place.name}, ${place.country}`);
}

test("finds names by their beginning, whatever case and accents", async () => {
  const all = ["Macamic, CA", "Mâcon, FR", "Macon, US"];
  expect(await names({ q: "mac" })).toEqual(all);
  expect(await names({ q: "MÁC" })).toEqual(all);
  expect(await names({ q: "acon" })).toEqual([]);
});

test("narrows down to a country", async () => {
  expect(await names({ q: "mac", country: "fr" })).toEqual(["Mâcon, FR"]);
});

test("goes on from the cursor", async () => {
  const first = await get(handler, { q: "mac", limit: "2" });
  expect(first.body.places).toHaveLength(2);
  const second = await get(handler, { q: "mac", limit: "2", cursor: first.body.next_cursor });
  expect(second.body.places.map((place: Place) => place.country)).toEqual(["US"]);
  expect(second.body.next_cursor).toBeNull();
});

test("needs something to search for", async () => {
  expect((await get(handler, {})).body.error.details.fields).toEqual({ q: "is needed" });
  const { status, body } = await get(handler, { q: "?!" });
  expect(status).toBe(400);
  expect(body.error.details.fields.q).toContain("letter");
});
