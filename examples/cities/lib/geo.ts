/** Distances on the globe. Longitudes wrap, so nothing here is special at the antimeridian. */

export interface Point {
  /** Degrees, -90 to 90. */
  lat: number;
  /** Degrees, -180 to 180. */
  lon: number;
}

/** Degrees; `west` ≤ `east`. */
export interface Box {
  south: number;
  north: number;
  west: number;
  east: number;
}

/** Mean radius of the Earth (IUGG). */
const EARTH_KM = 6371.0088;

const radians = (degrees: number) => (degrees * Math.PI) / 180;
const degrees = (angle: number) => (angle * 180) / Math.PI;

/** Along the great circle, by the haversine formula. */
export function distanceKm(a: Point, b: Point): number {
  const latitude = Math.sin(radians(b.lat - a.lat) / 2) ** 2;
  const longitude = Math.sin(radians(b.lon - a.lon) / 2) ** 2;
  const h = latitude + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * longitude;
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** To the nearest point of the box; 0 inside. */
export function distanceToBoxKm(from: Point, box: Box): number {
  if (from.lon >= box.west && from.lon <= box.east) {
    return distanceKm(from, { lat: clamp(from.lat, box), lon: from.lon });
  }
  return Math.min(distanceToEdgeKm(from, box, box.west), distanceToEdgeKm(from, box, box.east));
}

/**
 * To the western or eastern edge, a piece of a meridian: its foot of the perpendicular where that
 * lies on the piece, else an end.
 */
function distanceToEdgeKm(from: Point, box: Box, lon: number): number {
  const foot = degrees(
    Math.atan2(
      Math.sin(radians(from.lat)),
      Math.cos(radians(from.lat)) * cosBetween(from.lon, lon),
    ),
  );
  const candidates = [box.south, box.north, clamp(foot, box)];
  return Math.min(...candidates.map((lat) => distanceKm(from, { lat, lon })));
}

function cosBetween(a: number, b: number): number {
  return Math.cos(radians(a - b));
}

function clamp(lat: number, box: Box): number {
  return Math.min(box.north, Math.max(box.south, lat));
}
