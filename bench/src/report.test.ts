import { expect, test } from "bun:test";
import { reached } from "./report.ts";

const row = { measurement: "x", unit: "µs", bunbase: 120, peer: 100 };

test("goals are judged on the value, the ratio and the difference", () => {
  const goals = [
    { of: "bunbase", most: 100 },
    { of: "ratio", most: 1.2 },
    { of: "difference", most: 60 },
    { of: "ratio", least: 1.5 },
  ] as const;
  expect(reached({ ...row, goals: [...goals] })).toEqual([false, true, true, false]);
});

test("a goal against a peer that was not measured is not reached", () => {
  expect(
    reached({ measurement: "x", unit: "s", bunbase: 1, goals: [{ of: "ratio", most: 9 }] }),
  ).toEqual([false]);
});
