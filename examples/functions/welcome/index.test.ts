import { expect, mock, test } from "bun:test";

const greetings = new Map<string, unknown>();
const collection = () => ({
  replace: async (id: string, document: unknown) => greetings.set(id, document),
});
mock.module("bunbase-js/function", () => ({ bunbase: { db: { collection } } }));
const { default: welcome } = await import("./index.ts");

test("greets a new user under the user's id", async () => {
  const change = { type: "document", docId: "ada", document: { name: "Ada" } };
  const request = new Request("http://test/", { method: "POST", body: JSON.stringify(change) });
  expect((await welcome(request)).status).toBe(204);
  expect(greetings.get("ada")).toEqual({ text: "Welcome, Ada!" });
});
