import { expect, test } from "bun:test";
import { action, t } from "../index.ts";
import { testAction } from "../test.ts";
import { compile } from "./schema.ts";

const CASES: Record<string, [taken: string[], refused: string[]]> = {
  email: [
    ["ada@example.com", "a+b@x.co.uk"],
    ["ada", "ada@", "a b@c.de", "@c.de", "ada@localhost", "a@-b.de"],
  ],
  uuid: [
    ["01890000-0000-7000-8000-000000000000"],
    ["0189", "01890000-0000-7000-8000-00000000000g"],
  ],
  date: [
    ["2024-02-29", "2026-12-31"],
    ["2026-02-29", "2026-13-01", "2026-1-1", "2026-00-10", "26-01-01"],
  ],
  time: [
    ["12:00:00Z", "23:59:60.5+02:00"],
    ["24:00:00Z", "12:00:00", "12:60:00Z"],
  ],
  "date-time": [
    ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.123+01:00"],
    ["2026-02-31T12:00:00Z", "2026-01-31", "2026-01-31T12:00"],
  ],
  uri: [
    ["https://a.test/x?y#z", "urn:isbn:1"],
    ["a.test", "/x", "https://a b"],
  ],
  url: [["http://a.test"], ["ftp://a.test", "javascript:alert(1)", "a.test"]],
  hostname: [
    ["a.test", "localhost"],
    ["-a.test", "a..b", "a_b"],
  ],
  ipv4: [
    ["127.0.0.1", "255.255.255.255"],
    ["256.0.0.1", "1.2.3", "1.2.3.4.", "1.2.3.4.5"],
  ],
  ipv6: [
    ["::1", "2001:db8::1"],
    ["1.2.3.4", "::g", "1:2"],
  ],
  byte: [
    ["", "YQ==", "YWJj"],
    ["YQ", "Y*=="],
  ],
  password: [["anything at all"], []],
};

test("a format holds for what has it, and for nothing else", async () => {
  for (const [format, [taken, refused]] of Object.entries(CASES)) {
    const shown = action(
      { name: "shown", input: t.Object({ value: t.String({ format }) }), output: t.Object({}) },
      async () => ({}),
    );
    const answers = async (value: string): Promise<string> =>
      `${format} ${value}: ${(await testAction(shown, { value })).success}`;
    for (const value of taken) expect(await answers(value)).toBe(`${format} ${value}: true`);
    for (const value of refused) expect(await answers(value)).toBe(`${format} ${value}: false`);
  }
});

test("a format that nobody knows is said where the application loads", () => {
  expect(() => compile(t.Object({ code: t.String({ format: "postcode" }) }))).toThrow(
    /"postcode" is not known.*FormatRegistry/,
  );
});
