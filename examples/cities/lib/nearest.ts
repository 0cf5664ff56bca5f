/**
 * The places nearest to a point, by best-first search over the grid: always look next into the
 * cells that are nearest, take a cell apart where it holds more than a page, and stop when no cell
 * that is left can hold anything nearer (Hjaltason and Samet, "Distance browsing in spatial
 * databases", 1999). Each look is one bounded range of the index on `cell`.
 */
import type { Filter, Page, WithId } from "bunbase-js";
import { distanceKm, distanceToBoxKm, type Point } from "./geo.ts";
import { cellBox, cellQuarters, cellRange, LEVEL_MAX, WORLD_KEY } from "./grid.ts";
import type { Place, Reader } from "./places.ts";

export interface NearPlace {
  id: string;
  name: string;
  country: string;
  population: number;
  lat: number;
  lon: number;
  distance_km: number;
}

interface Cell {
  key: string;
  distanceKm: number;
}

/** What a look into a cell brings to light. */
interface Look {
  places: NearPlace[];
  cells: Cell[];
}

/** A cell with more than this is taken apart. */
const PAGE_SIZE_MIN = 32;
const FIELDS = ["name", "country", "population", "lat", "lon"];
/** Cells that are looked into at the same time. */
const PARALLEL = 4;
/** Level of the smallest cells to begin with: 1.4° × 0.7°. */
const FIRST_LEVEL = 8;

export async function nearestPlaces(
  places: Reader<Place>,
  center: Point,
  limit: number,
): Promise<NearPlace[]> {
  const frontier = startingCells(center);
  let found: NearPlace[] = [];
  for (;;) {
    const boundKm = found[limit - 1]?.distance_km ?? Number.POSITIVE_INFINITY;
    const cells = takeNearest(frontier, boundKm);
    if (cells.length === 0) return found;
    const looks = await Promise.all(cells.map((cell) => lookInto(places, cell, center, limit)));
    frontier.push(...looks.flatMap((look) => look.cells));
    found = [...found, ...looks.flatMap((look) => look.places)].sort(byDistance).slice(0, limit);
  }
}

/** The cell of the point, and around it what is left of the cells above. */
function startingCells(center: Point): Cell[] {
  let cells = quarters(WORLD_KEY, center);
  for (let level = 1; level < FIRST_LEVEL; level++) {
    const [nearest, ...others] = cells.sort(nearestFirst);
    if (nearest !== undefined) cells = [...quarters(nearest.key, center), ...others];
  }
  return cells;
}

/** Removes the nearest cells from the frontier, without those that are too far away to matter. */
function takeNearest(frontier: Cell[], boundKm: number): Cell[] {
  frontier.sort(nearestFirst);
  return frontier.splice(0, PARALLEL).filter((cell) => cell.distanceKm <= boundKm);
}

async function lookInto(
  places: Reader<Place>,
  cell: Cell,
  center: Point,
  limit: number,
): Promise<Look> {
  const found: NearPlace[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<WithId<Place>> = await places.query(within(cell), {
      limit: Math.max(PAGE_SIZE_MIN, limit),
      fields: FIELDS,
      cursor,
    });
    cursor = page.next_cursor;
    if (cursor !== null && cell.key.length < LEVEL_MAX) {
      return { places: [], cells: quarters(cell.key, center) };
    }
    found.push(...page.documents.map((place) => nearPlace(place, center)));
  } while (cursor !== null);
  return { places: found, cells: [] };
}

function within(cell: Cell): Filter<Place> {
  const { from, to } = cellRange(cell.key);
  return { cell: { $gte: from, $lt: to } };
}

function quarters(key: string, center: Point): Cell[] {
  return cellQuarters(key).map((quarter) => ({
    key: quarter,
    distanceKm: distanceToBoxKm(center, cellBox(quarter)),
  }));
}

function nearPlace(place: WithId<Place>, center: Point): NearPlace {
  const { _id: id, name, country, population, lat, lon } = place;
  return { id, name, country, population, lat, lon, distance_km: distanceKm(center, place) };
}

function nearestFirst(a: Cell, b: Cell): number {
  return a.distanceKm - b.distanceKm || b.key.length - a.key.length;
}

function byDistance(a: NearPlace, b: NearPlace): number {
  return a.distance_km - b.distance_km || a.id.localeCompare(b.id);
}
