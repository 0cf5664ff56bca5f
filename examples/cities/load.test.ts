/** The loader against a stand-in for the server that keeps documents in a map. */
import { expect, test } from "bun:test";
import { createClient } from "bunbase-js";
import { placeDocuments } from "./lib/cities.ts";
import { Progress } from "./lib/progress.ts";
import { loadCities } from "./load.ts";

interface Step {
  op: string;
  collection: string;
  id: string;
  document: object;
}

const places = placeDocuments().slice(0, 9_500);

class DocumentApi {
  readonly documents = new Map<string, Step["document"]>();
  readonly rules = new Map<string, unknown>();
  batches = 0;
  /** Number of the batch that is refused, as if the server had gone away. */
  brokenBatch = 0;
  /** How often each list of indexes is `building` before it is `ready`. */
  building = 1;

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const path = new URL(url).pathname.replace("/v1/database", "");
    const body = init.body === undefined ? undefined : JSON.parse(String(init.body));
    if (path === "/batch") return this.#batch(body.operations);
    if (path === "/collections") return this.#create(body);
    if (path.endsWith("/rules")) return this.#setRules(path, body.rules);
    const state = init.method === "GET" && this.building-- <= 0 ? "ready" : "building";
    const index = { name: "i", fields: [], unique: false, state };
    return Response.json(init.method === "GET" ? { indexes: [index] } : index);
  };

  #batch(operations: Step[]): Response {
    this.batches += 1;
    if (this.batches === this.brokenBatch) return failure(500, "internal");
    for (const { op, collection, id, document } of operations) {
      if (op !== "replace") return failure(400, "invalid_request");
      this.documents.set(`${collection}/${id}`, document);
    }
    return Response.json({ commit: this.batches, results: [] });
  }

  #create({ name, rules }: { name: string; rules: unknown }): Response {
    if (this.rules.has(name)) return failure(409, "collection_exists");
    this.rules.set(name, rules);
    return Response.json({ name }, { status: 201 });
  }

  #setRules(path: string, rules: unknown): Response {
    this.rules.set(path.split("/")[2] ?? "", rules);
    return Response.json({ rules });
  }
}

function failure(status: number, code: string): Response {
  return Response.json({ error: { code, message: code } }, { status });
}

function quiet(): Progress {
  return new Progress("places", { write: () => {} });
}

test("loads every place, and a load that broke is gone on with without duplicates", async () => {
  const api = new DocumentApi();
  const client = createClient("http://test", "sk_test", { fetch: api.fetch });
  api.brokenBatch = 7;
  await expect(loadCities(client, quiet(), places)).rejects.toMatchObject({ code: "internal" });
  api.brokenBatch = 0;
  const loaded = await loadCities(client, quiet(), places);
  expect(loaded).toMatchObject({ places: 9_500 });
  const names = [...api.documents.keys()];
  expect(names.filter((name) => name.startsWith("places/"))).toHaveLength(9_500);
  expect(names.filter((name) => name.startsWith("country_stats/"))).toHaveLength(loaded.countries);
  const last = places.at(-1);
  expect(api.documents.get(`places/${last?._id}`)).toEqual(last);
});

test("public keys may read places and stats, and only add visits", async () => {
  const api = new DocumentApi();
  const client = createClient("http://test", "sk_test", { fetch: api.fetch });
  await loadCities(client, quiet(), places);
  expect(Object.fromEntries(api.rules)).toEqual({
    places: { read: "true" },
    country_stats: { read: "true" },
    visits: { create: "true" },
  });
});
