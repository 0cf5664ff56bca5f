import { expect, test } from "bun:test";
import { type Box, distanceKm, distanceToBoxKm } from "./geo.ts";

const paris = { lat: 48.85341, lon: 2.3488 };
const london = { lat: 51.50853, lon: -0.12574 };

test("distances are those of the great circle", () => {
  expect(distanceKm(paris, london)).toBeCloseTo(343.6, 0);
  expect(distanceKm(paris, paris)).toBe(0);
  expect(distanceKm({ lat: 0, lon: 179.5 }, { lat: 0, lon: -179.5 })).toBeCloseTo(111.19, 1);
  expect(distanceKm({ lat: 90, lon: 0 }, { lat: 90, lon: 123 })).toBeCloseTo(0, 6);
  expect(distanceKm({ lat: 0, lon: 0 }, { lat: 0, lon: 180 })).toBeCloseTo(20015.1, 0);
});

test("a box is 0 km from what is in it", () => {
  expect(distanceToBoxKm(paris, { south: 48, north: 49, west: 2, east: 3 })).toBe(0);
});

test("a box across the antimeridian is near", () => {
  const box = { south: -1, north: 1, west: -180, east: -179 };
  expect(distanceToBoxKm({ lat: 0, lon: 179.5 }, box)).toBeCloseTo(55.6, 1);
});

test("a box on the other side of the pole is near", () => {
  const box = { south: 80, north: 90, west: 0, east: 10 };
  expect(distanceToBoxKm({ lat: 89, lon: -175 }, box)).toBeCloseTo(111.19, 1);
});

test("no point of a box is nearer than the box", () => {
  const boxes: Box[] = [
    { south: 60, north: 90, west: -180, east: -90 },
    { south: -45, north: 0, west: 90, east: 135 },
    { south: 50, north: 51, west: 1, east: 3 },
  ];
  const froms = [-89, -40, 0, 35, 70, 90].flatMap((lat) =>
    [-180, -91, -1, 60, 179].map((lon) => ({ lat, lon })),
  );
  for (const box of boxes) {
    for (const from of froms) {
      const bound = distanceToBoxKm(from, box) - 1e-6;
      for (const point of pointsOf(box)) expect(distanceKm(from, point)).toBeGreaterThan(bound);
    }
  }
});

function pointsOf(box: Box) {
  const steps = [0, 0.25, 0.5, 0.75, 1];
  return steps.flatMap((y) =>
    steps.map((x) => ({
      lat: box.south + y * (box.north - box.south),
      lon: box.west + x * (box.east - box.west),
    })),
  );
}
