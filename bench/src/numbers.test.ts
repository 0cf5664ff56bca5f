import { expect, test } from "bun:test";
import { median, quantile, show } from "./numbers.ts";

test("the median is the middle, or between the two middles", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([1, 3, 5, 100])).toBe(4);
  expect(() => median([])).toThrow("nothing");
});

test("a quantile is a value that was measured", () => {
  expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
  expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5);
});

test("numbers keep three digits", () => {
  expect([0.12345, 5.6789, 99.96, 151_234.6].map(show)).toEqual([
    "0.123",
    "5.68",
    "100",
    "151,235",
  ]);
});
