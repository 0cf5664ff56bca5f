/** `GET stats?limit=10`: the countries with the most places, and those with the most people in them. */
import { bunbase } from "bunbase-js/function";
import { answer } from "../lib/answer.ts";
import { Input } from "../lib/input.ts";
import { COLLECTIONS, type CountryStats, type Handler, type Reader } from "../lib/places.ts";

const FIELDS = ["country", "places", "population", "largest"];

export function stats(countries: Reader<CountryStats>): Handler {
  return answer("GET", async (request) => {
    const input = Input.ofQuery(request);
    const limit = input.integer("limit", { min: 1, max: 100, fallback: 10 });
    input.check();
    const [byPlaces, byPopulation] = await Promise.all([
      countries.query({}, { sort: { places: -1 }, limit, fields: FIELDS }),
      countries.query({}, { sort: { population: -1 }, limit, fields: FIELDS }),
    ]);
    return Response.json({
      by_places: byPlaces.documents.map(withoutId),
      by_population: byPopulation.documents.map(withoutId),
    });
  });
}

function withoutId({ country, places, population, largest }: CountryStats): CountryStats {
  return { country, places, population, largest };
}

export default stats(bunbase.db.collection<CountryStats>(COLLECTIONS.countryStats));
