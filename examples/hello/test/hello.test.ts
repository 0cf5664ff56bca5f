import { expect, test } from "bun:test";
import { createTestClient, createTestServer, testAction } from "bunbase/test";
import greet from "../src/greet.ts";
import hello from "../src/hello.ts";

test("it says hello", async () => {
  expect((await testAction(hello, {})).data).toEqual({ message: "Hello, world" });
});

test("it greets by name, as often as it is told", async () => {
  const server = createTestServer({ actions: [greet] });
  const client = createTestClient(server.url);
  const posted = await client.post("/api/greet", { name: "Ada" });
  expect(posted.data).toEqual({ message: "Hello, Ada" });
  const twice = await client.get("/api/greet/Ada", { query: { times: 2 } });
  expect(twice.data).toEqual({ message: "Hello, Ada! Hello, Ada" });
  const nobody = await client.post("/api/greet", { name: "" });
  expect([nobody.status, nobody.error?.code]).toEqual([400, "invalid_input"]);
  expect(nobody.error?.details).toMatchObject([{ path: "/name" }]);
  await server.stop();
});
