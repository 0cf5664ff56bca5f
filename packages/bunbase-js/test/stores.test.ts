/** Keys and objects: what goes over the wire. */
import { afterAll, expect, test } from "bun:test";
import { createClient } from "../src/index.ts";
import { fail, ok, WireServer } from "./server.ts";

const server = new WireServer();
afterAll(() => server.stop());
const { kv, storage } = createClient(server.url, "sk_test", { retry: { attempts: 1 } });

test("a key keeps its slashes, and conditions are headers", async () => {
  server.answer(() => new Response(null, { status: 204, headers: { etag: '"4"' } }));
  expect(await kv.set("users/ä b", { a: 1 }, { ttl: 60, ifVersion: 3 })).toBe(4);
  const [asked] = server.asked;
  expect(asked?.path).toBe("/v1/kv/kv/users/%C3%A4%20b");
  expect(asked?.query).toEqual({ ttl: "60" });
  expect(asked?.headers.get("if-match")).toBe('"3"');
  expect(asked?.body).toEqual({ a: 1 });
});

test("what is missing is null, false or nothing", async () => {
  server.answer(fail(404, "kv_key_not_found"));
  expect(await kv.get("x")).toBeNull();
  expect(await kv.delete("x")).toBe(false);
  server.answer(fail(404, "object_not_found"));
  expect(await storage.head("x")).toBeNull();
  expect(await storage.delete("x")).toBe(false);
});

test("a value comes with its version and the time it has left", async () => {
  server.answer(() => new Response("{}", { headers: { etag: '"9"', "x-ttl": "12" } }));
  expect(await kv.getEntry("x")).toEqual({
    value: new TextEncoder().encode("{}"),
    version: 9,
    ttl: 12,
  });
});

test("keys are listed to the last page", async () => {
  const key = (name: string) => ({ key: name, version: 1, bytes: 1, expires_at: null });
  server.answer(
    ok({ keys: [key("a")], next_cursor: "c" }),
    ok({ keys: [key("b")], next_cursor: null }),
  );
  expect(await kv.keys("*")).toEqual(["a", "b"]);
  expect(server.asked[1]?.query).toEqual({ pattern: "*", cursor: "c" });
});

test("a name that would leave its place is refused before it is sent", () => {
  server.answer(ok({}));
  expect(() => storage.get("../x")).toThrow("cannot stand in a path");
  expect(kv.get("a/./b")).rejects.toMatchObject({ code: "invalid_name" });
  expect(server.asked).toHaveLength(0);
});

test("a part of an object is asked for by its bytes", async () => {
  server.answer(() => new Response("llo", { status: 206 }));
  const part = await storage.get("a/b.txt", { range: { start: 2 } });
  expect(await part.text()).toBe("llo");
  expect(server.asked[0]?.headers.get("range")).toBe("bytes=2-");
});

test("an object is sent with the type of its blob", async () => {
  server.answer(ok({ key: "a", size: 2, etag: "e" }, { status: 201 }));
  await storage.put("a", new Blob(["{}"], { type: "application/json" }), { ifAbsent: true });
  expect(server.asked[0]?.headers.get("content-type")).toStartWith("application/json");
  expect(server.asked[0]?.headers.get("if-none-match")).toBe("*");
});
