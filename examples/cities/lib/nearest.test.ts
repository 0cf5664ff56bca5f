/** Against every place there is: the search has to find what looking at all of them would. */
import { beforeAll, expect, test } from "bun:test";
import { MemoryCollection } from "../testing/memory-collection.ts";
import { type PlaceDocument, placeDocuments } from "./cities.ts";
import { distanceKm, type Point } from "./geo.ts";
import { nearestPlaces } from "./nearest.ts";
import type { Place } from "./places.ts";

let documents: PlaceDocument[];
let sample: MemoryCollection<Place>;

beforeAll(() => {
  documents = placeDocuments();
  // One place in fifty keeps the stand-in, which scans, fast enough.
  sample = new MemoryCollection<Place>(documents.filter((_, index) => index % 50 === 0));
});

function byLooking(center: Point, limit: number): number[] {
  const distances = sample.documents.map((place) => distanceKm(center, place));
  return distances.sort((a, b) => a - b).slice(0, limit);
}

const centers: Record<string, Point> = {
  Paris: { lat: 48.85, lon: 2.35 },
  "the north pole": { lat: 90, lon: 0 },
  "the south pole": { lat: -90, lon: 45 },
  "Fiji, east of the antimeridian": { lat: -17, lon: -179.99 },
  "Fiji, west of the antimeridian": { lat: -17, lon: 179.99 },
  "the antimeridian itself": { lat: 65, lon: 180 },
  "Point Nemo, far from everything": { lat: -48.9, lon: -123.4 },
  "the corner of the grid": { lat: 0, lon: 0 },
};

for (const [name, center] of Object.entries(centers)) {
  test(`finds the nearest to ${name}`, async () => {
    for (const limit of [1, 10, 100]) {
      const found = await nearestPlaces(sample, center, limit);
      expect(found.map((place) => place.distance_km)).toEqual(byLooking(center, limit));
    }
  });
}

test("reads a small part of the places, also where there are none for a long way", async () => {
  for (const center of Object.values(centers)) {
    sample.answered = 0;
    sample.queries = 0;
    await nearestPlaces(sample, center, 10);
    expect(sample.answered).toBeLessThan(1000);
    expect(sample.queries).toBeLessThan(150);
  }
});

test("gives all there are where there are fewer than asked for", async () => {
  const few = new MemoryCollection<Place>(documents.slice(0, 3));
  expect(await nearestPlaces(few, { lat: 0, lon: 0 }, 10)).toHaveLength(3);
});

test("places on one spot are all found", async () => {
  const [place] = documents;
  if (place === undefined) throw new Error("there are no places");
  const spot = Array.from({ length: 90 }, (_, index) => ({ ...place, _id: String(index) }));
  const found = await nearestPlaces(new MemoryCollection<Place>(spot), place, 50);
  expect(found).toHaveLength(50);
});
