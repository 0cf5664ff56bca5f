import { expect, test } from "bun:test";
import { nameKey, prefixRange } from "./names.ts";

test("names lose case, accents and punctuation", () => {
  expect(nameKey("Sankt Pölten")).toBe("sankt polten");
  expect(nameKey("SAINT-ÉTIENNE")).toBe("saint etienne");
  expect(nameKey("’Aïn Séfra")).toBe("ain sefra");
  expect(nameKey("Łódź")).toBe("lodz");
  expect(nameKey("Großenhain")).toBe("grossenhain");
  expect(nameKey("Ålesund")).toBe(nameKey("A\u030alesund"));
  expect(nameKey("İzmir")).toBe("izmir");
  expect(nameKey("東京")).toBe("東京");
  expect(nameKey(" -- ")).toBe("");
});

test("a prefix range holds what starts with it and nothing else", () => {
  const { from, to } = prefixRange("san");
  const within = (name: string) => name >= from && name < to;
  expect(["san", "sanaa", "san jose", "san\u{1f600}"].every(within)).toBe(true);
  expect(["sam", "sao paulo", "sb", "sa"].some(within)).toBe(false);
});
