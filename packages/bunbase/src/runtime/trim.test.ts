import { expect, test } from "bun:test";
import { action, module, t, triggers } from "../index.ts";
import { createTestClient, createTestServer } from "../test.ts";
import { trimOf } from "./trim.ts";

const user = t.Object({ id: t.String(), name: t.Optional(t.String()) });

test("what a schema does not name is dropped, at any depth, and nothing is changed in place", () => {
  const row = { id: "1", password_hash: "x" };
  const cases = [
    [user, row, { id: "1" }],
    [t.Array(user), [row, { id: "2" }], [{ id: "1" }, { id: "2" }]],
    [t.Object({ users: t.Array(user) }), { users: [row], more: 1 }, { users: [{ id: "1" }] }],
    [t.Intersect([user, t.Object({ age: t.Number() })]), { ...row, age: 5 }, { id: "1", age: 5 }],
    [t.Union([t.Null(), t.Object({ n: t.Number() }), user]), row, { id: "1" }],
    [t.Object({}), row, {}],
    [t.Object({}, { additionalProperties: true }), row, row],
    [t.Object({ id: t.String() }, { additionalProperties: t.String() }), row, row],
    [t.Record(t.String(), t.String()), row, row],
    [t.Any(), row, row],
  ] as const;
  for (const [schema, value, expected] of cases) {
    const before = structuredClone(value);
    expect((trimOf(schema)?.(value) ?? value) as unknown).toEqual(expected);
    expect<unknown>(value).toEqual(before);
  }
  const whole = { id: "1", name: "Ada" };
  expect(trimOf(user)?.(whole)).toBe(whole);
  expect(trimOf(user)?.(JSON.parse('{"id":"1","__proto__":{"x":1}}'))).toEqual({ id: "1" });
});

test("an action neither takes nor gives fields that it does not name", async () => {
  let taken: unknown;
  const schema = t.Object({ title: t.String() });
  const add = action(
    { name: "add", input: schema, output: schema, triggers: [triggers.api("POST", "/notes")] },
    async (input) => {
      taken = input;
      const row = { title: input.title, password_hash: "x" };
      return row;
    },
  );
  const server = createTestServer({ actions: [module({ name: "notes", actions: [add] })] });
  const client = createTestClient(server.url);
  const { data } = await client.post("/notes", { title: "Tea", user_id: "somebody else" });
  expect([taken, data]).toEqual([{ title: "Tea" }, { title: "Tea" }]);
  await server.stop();
});
