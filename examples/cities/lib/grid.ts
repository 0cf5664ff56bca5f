/**
 * A quadtree over latitude and longitude. A cell is named by the path to it, one digit from 0 to 3
 * for each level, so all that lies in a large cell has keys that start with its name: one index on
 * the key of the smallest cell answers for cells of any size, by a range.
 */
import type { Box, Point } from "./geo.ts";

/** Level of the stored key: cells of 0.022° × 0.011°. */
export const LEVEL_MAX = 14;

/** Key of the cell that is everything. */
export const WORLD_KEY = "";

const WORLD: Box = { south: -90, north: 90, west: -180, east: 180 };

/** Key of the smallest cell that holds the point. */
export function cellKey(point: Point): string {
  let { south, north, west, east } = WORLD;
  let key = "";
  while (key.length < LEVEL_MAX) {
    const lat = (south + north) / 2;
    const lon = (west + east) / 2;
    const upper = point.lat >= lat;
    const right = point.lon >= lon;
    key += (upper ? 2 : 0) + (right ? 1 : 0);
    if (upper) south = lat;
    else north = lat;
    if (right) west = lon;
    else east = lon;
  }
  return key;
}

/** What the cell covers. */
export function cellBox(key: string): Box {
  return [...key].reduce((box, digit) => quarter(box, Number(digit)), WORLD);
}

/** The four cells that make up this one. */
export function cellQuarters(key: string): string[] {
  return [0, 1, 2, 3].map((digit) => `${key}${digit}`);
}

/** The keys of everything in the cell: from `from` to just before `to`. */
export function cellRange(key: string): { from: string; to: string } {
  return { from: key, to: `${key}4` };
}

/** 0 is south-west, 1 south-east, 2 north-west, 3 north-east. */
function quarter(box: Box, digit: number): Box {
  const { lat, lon } = center(box);
  return {
    ...box,
    ...(digit >= 2 ? { south: lat } : { north: lat }),
    ...(digit % 2 === 1 ? { west: lon } : { east: lon }),
  };
}

function center(box: Box): Point {
  return { lat: (box.south + box.north) / 2, lon: (box.west + box.east) / 2 };
}
