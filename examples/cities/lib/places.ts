/** What the collections of this application hold, and what its functions need of them. */
import type { Collection } from "bunbase-js";

export interface Place {
  name: string;
  /** The name as `search` compares it, see `names.ts`. */
  name_key: string;
  /** Two letters, ISO 3166-1. */
  country: string;
  population: number;
  /** Degrees, north positive. */
  lat: number;
  /** Degrees, east positive. */
  lon: number;
  /** Where it is on the grid, see `grid.ts`. */
  cell: string;
}

/** Written by the loader, so that `stats` has nothing to add up. `_id` is the country. */
export interface CountryStats {
  country: string;
  places: number;
  population: number;
  largest: { name: string; population: number };
}

export interface Visit {
  /** `_id` of a place. */
  place: string;
  visitor: string;
  note?: string;
  /** RFC 3339. */
  visited_at: string;
}

export const COLLECTIONS = {
  places: "places",
  countryStats: "country_stats",
  visits: "visits",
} as const;

/** The part of a collection that is only read; tests put an array in its place. */
export type Reader<T extends object> = Pick<Collection<T>, "query" | "get">;
export type Writer<T extends object> = Pick<Collection<T>, "create">;

export type Handler = (request: Request) => Promise<Response>;
