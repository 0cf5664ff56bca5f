import { expect, test } from "bun:test";
import { countryStats } from "../lib/cities.ts";
import type { CountryStats } from "../lib/places.ts";
import { get, somePlaces } from "../testing/fixtures.ts";
import { MemoryCollection } from "../testing/memory-collection.ts";
import { stats } from "./stats.ts";

const documents = countryStats(somePlaces).map((country) => ({ ...country, _id: country.country }));
const handler = stats(new MemoryCollection<CountryStats>(documents));

test("orders countries by places and by population", async () => {
  const { status, body } = await get(handler, { limit: "1" });
  expect(status).toBe(200);
  expect(body.by_places).toEqual([
    {
      country: "FR",
      places: 2,
      population: 2_174_619,
      largest: { name: "Paris", population: 2_138_551 },
    },
  ]);
  expect(body.by_population.map((each: CountryStats) => each.country)).toEqual(["GB"]);
});

test("a limit that is none is refused", async () => {
  expect((await get(handler, { limit: "many" })).status).toBe(400);
});
