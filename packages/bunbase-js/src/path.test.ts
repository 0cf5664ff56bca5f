import { expect, test } from "bun:test";
import { collectionPath, functionPath, segment } from "./path.ts";

test("a name stays one segment", () => {
  expect(collectionPath("users/1/posts")).toBe("/v1/database/collections/users%2F1%2Fposts");
  expect(segment("../x?y#z é")).toBe("..%2Fx%3Fy%23z%20%C3%A9");
});

test("names that a path cannot hold are refused before anything is sent", () => {
  for (const name of ["", ".", ".."]) {
    expect(() => segment(name)).toThrow("cannot stand in a path");
  }
});

test("what stands behind a function's name stays behind it", () => {
  expect(functionPath("f", "/a/b?c=1")).toBe("/v1/functions/f/a/b?c=1");
  expect(functionPath("f", "?c=1")).toBe("/v1/functions/f?c=1");
  expect(functionPath("f@preview-1", "a")).toBe("/v1/functions/f%40preview-1/a");
  expect(functionPath("f", "a/../b")).toBe("/v1/functions/f/a/../b");
  for (const path of ["..", "../other", "a/../../../database", "%2e%2e/%2e%2e/x"]) {
    expect(() => functionPath("f", path)).toThrow("cannot stand in a path");
  }
});
