/** Seeds run once, in order, each whole or not at all. */
import { expect, test } from "bun:test";
import { frameworkDatabase } from "../../test/framework.ts";
import { createDB } from "../db/client.ts";
import { Logger } from "../logger/logger.ts";
import { Seeder, seed } from "./seeder.ts";

const quiet = new Logger({ write: () => undefined });

test("seeds run in their order, once for each name unless forced", async () => {
  const db = createDB(await frameworkDatabase());
  const ran: string[] = [];
  const seeds = [
    seed({ name: "late", order: 2, run: () => void ran.push("late") }),
    seed({ name: "b", run: () => void ran.push("b") }),
    seed({
      name: "a",
      run: async ({ iam }) => {
        await iam.users.create({ email: `u${ran.length}@example.com` });
        ran.push("a");
      },
    }),
  ];
  const seeder = new Seeder(db, seeds, quiet);
  expect(await seeder.run()).toEqual({ ran: ["a", "b", "late"], skipped: [] });
  expect(await seeder.run()).toEqual({ ran: [], skipped: ["a", "b", "late"] });
  expect(await seeder.run({ force: true, only: ["a"] })).toEqual({ ran: ["a"], skipped: [] });
  expect(ran).toEqual(["a", "b", "late", "a"]);
  expect(await db.from("users").count()).toBe(2);
  expect(seeder.run({ only: ["nope"] })).rejects.toThrow("no seed named nope");
  expect(() => new Seeder(db, [...seeds, ...seeds])).toThrow("two seeds named");
});

test("a seed that fails leaves nothing, and runs again", async () => {
  const db = createDB(await frameworkDatabase());
  let fails = true;
  const seeder = new Seeder(
    db,
    [
      seed({
        name: "s",
        run: async ({ iam }) => {
          await iam.users.create({ email: "u@example.com" });
          if (fails) throw new Error("no");
        },
      }),
    ],
    quiet,
  );
  await expect(seeder.run()).rejects.toThrow("no");
  expect(await db.from("users").count()).toBe(0);
  fails = false;
  expect((await seeder.run()).ran).toEqual(["s"]);
});
