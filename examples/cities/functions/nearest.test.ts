import { expect, test } from "bun:test";
import type { Place } from "../lib/places.ts";
import { get, post, somePlaces } from "../testing/fixtures.ts";
import { MemoryCollection } from "../testing/memory-collection.ts";
import { nearest } from "./nearest.ts";

const handler = nearest(new MemoryCollection<Place>(somePlaces));

test("answers with the nearest first, as many as asked for", async () => {
  const { status, body } = await get(handler, { lat: "48.8", lon: "2.3", limit: "2" });
  expect(status).toBe(200);
  expect(body.places.map((place: Place) => place.name)).toEqual(["Paris", "Mâcon"]);
  expect(body.places[0].distance_km).toBeCloseTo(6.9, 0);
});

test("says for each field what is wrong", async () => {
  const { status, body } = await get(handler, { lat: "91", limit: "1.5" });
  expect(status).toBe(400);
  expect(body.error.code).toBe("invalid_input");
  expect(body.error.details.fields).toEqual({
    lat: "has to be a number from -90 to 90",
    lon: "has to be a number from -180 to 180",
    limit: "has to be a whole number",
  });
  for (const limit of ["0", "101", "x", ""]) {
    expect((await get(handler, { lat: "0", lon: "0", limit })).status).toBe(400);
  }
});

test("takes no other method", async () => {
  expect((await post(handler, {})).status).toBe(405);
});
