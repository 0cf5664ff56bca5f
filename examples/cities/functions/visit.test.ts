import { beforeEach, expect, test } from "bun:test";
import type { Place, Visit } from "../lib/places.ts";
import { get, paris, post, somePlaces } from "../testing/fixtures.ts";
import { MemoryCollection } from "../testing/memory-collection.ts";
import { visit } from "./visit.ts";

const places = new MemoryCollection<Place>(somePlaces);
let visits: MemoryCollection<Visit>;
let handler: ReturnType<typeof visit>;

beforeEach(() => {
  visits = new MemoryCollection<Visit>();
  handler = visit(places, visits);
});

test("writes a visit and answers 201 with it", async () => {
  const { status, body } = await post(handler, {
    place: paris._id,
    visitor: " Ada ",
    note: "rain",
  });
  expect(status).toBe(201);
  expect(body.visit).toMatchObject({ place: paris._id, visitor: "Ada", note: "rain" });
  expect(Number.isNaN(Date.parse(body.visit.visited_at))).toBe(false);
  expect(visits.documents).toEqual([body.visit]);
});

test("says for each field what is wrong, and writes nothing", async () => {
  const { status, body } = await post(handler, { visitor: 7, note: "x".repeat(501) });
  expect(status).toBe(400);
  expect(body.error.details.fields).toEqual({
    place: "is needed",
    visitor: "has to be text of 1 to 80 characters",
    note: "has to be text of 1 to 500 characters",
  });
  expect(visits.documents).toEqual([]);
});

test("a place that is not there is refused", async () => {
  for (const place of ["1", "../visits", "%"]) {
    const { status, body } = await post(handler, { place, visitor: "Ada" });
    expect(status).toBe(400);
    expect(body.error.details.fields).toEqual({ place: "is not the id of a place" });
  }
});

test("a body that is no JSON object is refused", async () => {
  for (const body of ["", "{", "[]", "null", '"x"']) {
    expect((await post(handler, body)).body.error.details.fields.body).toContain("JSON object");
  }
});

test("takes no other method", async () => {
  expect((await get(handler, {})).status).toBe(405);
});
