import { expect, test } from "bun:test";
import { cellBox, cellKey, cellQuarters, cellRange, LEVEL_MAX } from "./grid.ts";

const corners = [-90, -0.001, 0, 48.85341, 90].flatMap((lat) =>
  [-180, -0.001, 0, 2.3488, 180].map((lon) => ({ lat, lon })),
);

test("a point lies in the box of its key, and of every cell above", () => {
  for (const point of corners) {
    const key = cellKey(point);
    expect(key).toHaveLength(LEVEL_MAX);
    for (let level = 0; level <= LEVEL_MAX; level++) {
      const box = cellBox(key.slice(0, level));
      expect(point.lat >= box.south && point.lat <= box.north).toBe(true);
      expect(point.lon >= box.west && point.lon <= box.east).toBe(true);
    }
  }
});

test("the range of a cell holds the ranges of its quarters, without gap or overlap", () => {
  const { from, to } = cellRange("012");
  const quarters = cellQuarters("012").map(cellRange);
  for (const point of corners) {
    const key = cellKey(point);
    const inside = key >= from && key < to;
    const hits = quarters.filter((range) => key >= range.from && key < range.to);
    expect(hits).toHaveLength(inside ? 1 : 0);
  }
});
