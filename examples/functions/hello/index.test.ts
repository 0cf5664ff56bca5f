import { expect, test } from "bun:test";
import hello from "./index.ts";

const post = (body: string) => hello(new Request("http://test/", { method: "POST", body }));

test("greets as often as asked", async () => {
  const response = await post(JSON.stringify({ name: "Ada", times: 2 }));
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ greetings: ["Hello, Ada!", "Hello, Ada!"] });
});

test("says for each field what is wrong", async () => {
  for (const body of ["{", "null", '{"name": 7}']) {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: { name: "has to be text" } });
  }
});
