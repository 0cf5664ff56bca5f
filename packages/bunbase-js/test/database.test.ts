/** What each call of `db` puts on the wire, and what it makes of the answer. */
import { afterAll, expect, test } from "bun:test";
import { createClient } from "../src/index.ts";
import { type Asked, fail, ok, WireServer } from "./server.ts";

interface Place {
  name: string;
  country: string;
  population?: number;
}

const server = new WireServer();
const { db } = createClient(server.url, "sk_test", { retry: { baseDelayMs: 1 } });
const places = db.collection<Place>("maps/places");
const PLACES = "/v1/database/collections/maps%2Fplaces";
const paris = { _id: "1", name: "Paris", country: "FR" };

afterAll(() => server.stop());

function lastAsked(): Asked {
  const asked = server.asked.at(-1);
  if (asked === undefined) throw new Error("nothing was asked");
  return asked;
}

test("list sends limit, cursor and fields", async () => {
  server.answer(ok({ documents: [paris], next_cursor: "c2" }));
  const page = await places.list({ limit: 1, cursor: "c1", fields: ["name", "country"] });
  expect(page).toEqual({ documents: [paris], next_cursor: "c2" });
  expect(lastAsked()).toMatchObject({
    method: "GET",
    path: `${PLACES}/documents`,
    query: { limit: "1", cursor: "c1", fields: "name,country" },
  });
});

test("get answers with the document, or null where there is none", async () => {
  server.answer(ok(paris));
  expect(await places.get("a/b ü")).toEqual(paris);
  expect(lastAsked().path).toBe(`${PLACES}/documents/a%2Fb%20%C3%BC`);
  server.answer(fail(404, "document_not_found"));
  expect(await places.get("2")).toBeNull();
});

test("a 404 that is not about the document is not taken for a missing document", async () => {
  server.answer(fail(404, "service_not_enabled"));
  await expect(places.get("1")).rejects.toMatchObject({ code: "service_not_enabled" });
});

test("the version of the ETag goes back as If-Match", async () => {
  server.answer(ok(paris, { headers: { etag: '"12"' } }));
  const found = await places.getVersioned("1");
  expect(found).toEqual({ document: paris, version: 12 });
  server.answer(fail(409, "precondition_failed"));
  const update = places.update("1", { $inc: { population: 1 } }, { ifVersion: 12 });
  await expect(update).rejects.toMatchObject({ code: "precondition_failed", requestId: "req_1" });
  expect(lastAsked()).toMatchObject({ method: "PATCH", body: { $inc: { population: 1 } } });
  expect(lastAsked().headers.get("if-match")).toBe('"12"');
});

test("create, replace and delete", async () => {
  server.answer(ok(paris, { status: 201 }));
  expect(await places.create({ name: "Paris", country: "FR" })).toEqual(paris);
  expect(lastAsked()).toMatchObject({ method: "POST", body: { name: "Paris", country: "FR" } });
  await places.replace("1", { name: "Paris", country: "FR" });
  expect(lastAsked()).toMatchObject({ method: "PUT", path: `${PLACES}/documents/1` });
  server.answer(() => new Response(null, { status: 204 }));
  expect(await places.delete("1")).toBeUndefined();
  expect(lastAsked().method).toBe("DELETE");
});

test("query sends filter, sort, limit, skip and fields", async () => {
  server.answer(ok({ documents: [], next_cursor: null }));
  const sort = { population: -1, name: 1 } as const;
  await places.query({ country: "FR", population: { $gte: 1000 } }, { sort, limit: 5, skip: 2 });
  expect(lastAsked()).toMatchObject({
    method: "POST",
    path: `${PLACES}/documents/query`,
    body: { query: { country: "FR", population: { $gte: 1000 } }, sort, limit: 5, skip: 2 },
  });
});

test("iterate asks for page after page and skips only once", async () => {
  const rows = [0, 1, 2, 3, 4].map((n) => ({ _id: `${n}`, name: `n${n}`, country: "FR" }));
  server.answer(({ body }) => {
    const { cursor, skip = 0, limit } = body as { cursor?: string; skip?: number; limit: number };
    const from = cursor === undefined ? skip : Number(cursor);
    const next = from + limit < rows.length ? String(from + limit) : null;
    return Response.json({ documents: rows.slice(from, from + limit), next_cursor: next });
  });
  const seen: string[] = [];
  for await (const place of places.iterate({}, { pageSize: 2, skip: 1 })) seen.push(place._id);
  expect(seen).toEqual(["1", "2", "3", "4"]);
  expect(server.asked).toHaveLength(2);
});

test("batch names the collection in each operation", async () => {
  const result = { commit: 9, results: [{ id: "1", version: 9, status: "created" }] };
  server.answer(ok(result));
  const insert = { op: "insert", id: "1", document: { name: "Paris", country: "FR" } } as const;
  expect((await places.batch([insert])).commit).toBe(9);
  expect(lastAsked()).toMatchObject({
    path: "/v1/database/batch",
    body: { operations: [{ ...insert, collection: "maps/places" }] },
  });
});

test("collections and rules", async () => {
  server.answer(
    ok({ collections: [{ name: "maps/a" }], next_cursor: "maps/a" }),
    ok({ collections: [{ name: "maps/b" }], next_cursor: null }),
  );
  expect(await db.listCollections("maps/")).toEqual(["maps/a", "maps/b"]);
  expect(lastAsked().query).toEqual({ prefix: "maps/", cursor: "maps/a" });
  server.answer(ok({ name: "visits" }, { status: 201 }));
  await db.createCollection("visits", { rules: { create: "true" } });
  expect(lastAsked().body).toEqual({ name: "visits", rules: { create: "true" } });
  server.answer(ok({ rules: { read: "true" } }));
  await db.setRules("visits", { read: "true" });
  expect(lastAsked()).toMatchObject({ method: "PUT", body: { rules: { read: "true" } } });
  expect(await db.getRules("visits")).toEqual({ read: "true" });
});

test("indexes are created, listed with their state, and deleted", async () => {
  const index = { name: "by_cell", fields: [{ path: "cell", order: 1 }], unique: false };
  server.answer(ok({ ...index, state: "building" }, { status: 201 }));
  const fields = [{ path: "cell" }];
  expect((await places.createIndex({ fields, name: "by_cell" })).state).toBe("building");
  expect(lastAsked()).toMatchObject({ path: `${PLACES}/indexes`, body: { fields } });
  server.answer(ok({ indexes: [{ ...index, state: "ready" }] }));
  expect((await places.listIndexes())[0]?.state).toBe("ready");
  server.answer(() => new Response(null, { status: 204 }));
  await places.deleteIndex("by_cell");
  expect(lastAsked()).toMatchObject({ method: "DELETE", path: `${PLACES}/indexes/by_cell` });
});

test("count, distinct and explain", async () => {
  server.answer(ok({ count: 3 }));
  expect(await places.count({ country: "FR" })).toBe(3);
  expect(lastAsked()).toMatchObject({
    path: `${PLACES}/documents/count`,
    body: { query: { country: "FR" } },
  });
  server.answer(ok({ values: ["FR", "IT"] }));
  expect(await places.distinct<string>("country")).toEqual(["FR", "IT"]);
  expect(lastAsked()).toMatchObject({
    path: `${PLACES}/documents/distinct`,
    body: { field: "country", query: {} },
  });
  const plan = { index: "country_1", bound_fields: 1, ordered: true, covered: false };
  server.answer(ok({ plan, rejected: [], returned: 1, keys_examined: 1 }));
  const explained = await places.explain({ country: "FR" }, { sort: { name: 1 } });
  expect(explained.plan.index).toBe("country_1");
  expect(lastAsked()).toMatchObject({ path: `${PLACES}/documents/explain`, method: "POST" });
});

test("updateMany and deleteMany say which documents and how many there were", async () => {
  server.answer(ok({ matched: 2, modified: 1, upserted_id: null }));
  const arrayFilters = [{ "x.old": true }];
  const update = { $max: { population: 5 }, $set: { "names.$[x].old": false } } as const;
  const updated = await places.updateMany({ country: "FR" }, update, {
    upsert: true,
    arrayFilters,
  });
  expect(updated).toEqual({ matched: 2, modified: 1, upserted_id: null });
  expect(lastAsked()).toMatchObject({
    path: `${PLACES}/documents/update`,
    body: {
      query: { country: "FR" },
      update,
      many: true,
      upsert: true,
      array_filters: arrayFilters,
    },
  });
  await places.updateOne({ country: "FR" }, { name: "x" });
  expect(lastAsked().body).toMatchObject({ many: false, update: { name: "x" } });
  server.answer(ok({ deleted: 4 }));
  expect(await places.deleteMany({ population: { $lt: 10 } })).toBe(4);
  expect(lastAsked()).toMatchObject({ path: `${PLACES}/documents/delete`, body: { many: true } });
});

test("findOneAnd… sends what is done and what is wanted back", async () => {
  server.answer(ok({ document: paris }));
  const update = { $inc: { population: 1 } };
  const options = { sort: { name: -1 }, return: "after", fields: { name: 1 } } as const;
  expect(await places.findOneAndUpdate({ country: "FR" }, update, options)).toEqual(paris);
  expect(lastAsked()).toMatchObject({
    path: `${PLACES}/documents/find-and-modify`,
    body: { query: { country: "FR" }, update, sort: { name: -1 }, return: "after" },
  });
  await places.findOneAndReplace({ _id: "1" }, { name: "Lyon", country: "FR" }, { upsert: true });
  expect(lastAsked().body).toMatchObject({ replacement: { name: "Lyon" }, upsert: true });
  server.answer(ok({ document: null }));
  expect(await places.findOneAndDelete({ _id: "9" })).toBeNull();
  expect(lastAsked().body).toMatchObject({ remove: true });
});

test("array filters of one document's update stand in the query", async () => {
  server.answer(ok(paris));
  await places.update("1", { $set: { "tags.$[t]": "x" } }, { arrayFilters: [{ t: "y" }] });
  expect(lastAsked().query).toEqual({ array_filters: '[{"t":"y"}]' });
});

test("a group of collections is queried and indexed by a pattern", async () => {
  const found = { collection: "users/1/posts", document: { _id: "p", title: "hi" } };
  server.answer(ok({ documents: [found], next_cursor: null }));
  const page = await db.queryGroup<{ title: string }>("users/*/posts", { title: "hi" });
  expect(page.documents[0]?.document.title).toBe("hi");
  expect(lastAsked()).toMatchObject({
    path: "/v1/database/group/query",
    body: { pattern: "users/*/posts", query: { title: "hi" } },
  });
  server.answer(ok({ pattern: "users/*/posts", name: "title_1", state: "building" }));
  await db.createGroupIndex("users/*/posts", { field: "title", sparse: true });
  expect(lastAsked().body).toEqual({ pattern: "users/*/posts", field: "title", sparse: true });
  server.answer(() => new Response(null, { status: 204 }));
  await db.deleteGroupIndex("users/*/posts", "title_1");
  expect(lastAsked().path).toBe("/v1/database/group-indexes/users%2F*%2Fposts/title_1");
});
