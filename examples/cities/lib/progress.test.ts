import { expect, test } from "bun:test";
import { Progress } from "./progress.ts";

function run(isTTY: boolean): string {
  let written = "";
  let nowMs = 0;
  const output = { isTTY, write: (text: string) => (written += text) };
  const progress = new Progress("places", output, () => nowMs);
  progress.start(4000);
  for (let step = 0; step < 4; step++) {
    nowMs += 500;
    progress.advance(1000);
  }
  progress.finish();
  return written;
}

test("lines come about every second where there is no terminal", () => {
  expect(run(false).split("\n")).toEqual([
    " 50 %  2,000 of 4,000 places, 2,000/s",
    "100 %  4,000 of 4,000 places, 2,000/s",
    "",
  ]);
});

test("a terminal gets a bar that is drawn over itself and one line in the end", () => {
  const drawn = run(true);
  expect(drawn.split("\r").at(-1)).toStartWith("█".repeat(30));
  expect(drawn.split("\n")).toHaveLength(2);
});
