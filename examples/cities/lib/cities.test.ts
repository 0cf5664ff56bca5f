import { expect, test } from "bun:test";
import { countryStats, placeDocuments } from "./cities.ts";

test("every place has an id of its own and the fields that the indexes need", () => {
  const places = placeDocuments();
  expect(places).toHaveLength(135_233);
  expect(new Set(places.map((place) => place._id)).size).toBe(places.length);
  expect(places.every((place) => /^[0-3]{14}$/.test(place.cell))).toBe(true);
  const paris = places.find((place) => place._id === "2988507");
  expect(paris).toMatchObject({ name: "Paris", name_key: "paris", country: "FR", lat: 48.85341 });
});

test("countries are added up", () => {
  const place = { name_key: "", cell: "", lat: 0, lon: 0 };
  const stats = countryStats([
    { ...place, name: "Lyon", country: "FR", population: 5 },
    { ...place, name: "Bonn", country: "DE", population: 3 },
    { ...place, name: "Paris", country: "FR", population: 20 },
  ]);
  expect(stats).toEqual([
    { country: "DE", places: 1, population: 3, largest: { name: "Bonn", population: 3 } },
    { country: "FR", places: 2, population: 25, largest: { name: "Paris", population: 20 } },
  ]);
});
