import { expect, test } from "bun:test";
import { checkConfig } from "../config.ts";
import { poolOptions } from "./postgres-executor.ts";

test("a pool is as the configuration says, in the units of Bun's client, and a number that is none is refused", () => {
  for (const database of [{ maxConnections: 0 }, { maxConnections: 1.5 }, { idleTimeout: -1 }])
    expect(() => checkConfig({ database })).toThrow(`database.${Object.keys(database)[0]}`);
  const database = { maxConnections: 20, idleTimeout: 30_500 };
  checkConfig({ database });
  expect(poolOptions(database)).toEqual({ max: 20, idleTimeout: 31 });
  expect(poolOptions({})).toEqual({});
});
