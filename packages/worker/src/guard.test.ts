import { drainMicrotasks } from "bun:jsc";
import { expect, test } from "bun:test";
import { Guard } from "./guard.ts";

// One guard to a process, as in a worker.
let work: () => void = () => undefined;
const guard = new Guard(() => work());

test("without a limit nothing is stopped", () => {
  let ran = false;
  work = () => {
    ran = true;
  };
  expect(guard.run()).toBe(true);
  expect(ran).toBe(true);
});

test("an endless loop is stopped where it is, and neither catch nor finally sees it", () => {
  guard.limit(50);
  const seen: string[] = [];
  work = () => {
    try {
      for (;;);
    } catch {
      seen.push("catch");
    } finally {
      seen.push("finally");
    }
  };
  expect(guard.run()).toBe(false);
  expect(seen).toEqual([]);
});

test("a loop behind an await is stopped, and what waited beside it goes on", async () => {
  guard.limit(50);
  const { promise, resolve } = Promise.withResolvers<string>();
  const beside = promise.then((text) => text.toUpperCase());
  work = () => {
    void (async () => {
      await null;
      for (;;);
    })();
    drainMicrotasks();
  };
  expect(guard.run()).toBe(false);
  resolve("beside");
  expect(await beside).toBe("BESIDE");
});

test("an error of the work itself is not swallowed", () => {
  work = () => {
    throw new RangeError("of the work");
  };
  expect(() => guard.run()).toThrow("of the work");
});
