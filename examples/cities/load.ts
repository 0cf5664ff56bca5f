/**
 * Loads every place into a project: `BUNBASE_URL=… BUNBASE_KEY=sk_… bun load.ts`.
 * Ids are stable and every write puts a whole document in place, so a load that was interrupted is
 * simply run again.
 */
import {
  type BunbaseClient,
  BunbaseError,
  createClient,
  type IndexSpec,
  type Operation,
  type Rules,
} from "bunbase-js";
import { countryStats, type PlaceDocument, placeDocuments } from "./lib/cities.ts";
import { COLLECTIONS } from "./lib/places.ts";
import { Progress } from "./lib/progress.ts";

const BATCH_SIZE = 1000;
const BATCHES_IN_FLIGHT = 6;
const INDEX_POLL_MS = 100;

/** What has no rule is closed to public keys. */
const PUBLIC_TO_READ: Rules = { read: "true" };

interface Setup {
  rules: Rules;
  indexes: IndexSpec[];
}

const SETUP: Record<string, Setup> = {
  [COLLECTIONS.places]: {
    rules: PUBLIC_TO_READ,
    indexes: [
      { field: "cell" },
      { field: "name_key" },
      { fields: [{ path: "country" }, { path: "name_key" }] },
    ],
  },
  [COLLECTIONS.countryStats]: {
    rules: PUBLIC_TO_READ,
    indexes: [
      { fields: [{ path: "places", order: -1 }] },
      { fields: [{ path: "population", order: -1 }] },
    ],
  },
  // Anybody may note a visit; who was where is nobody else's business.
  [COLLECTIONS.visits]: {
    rules: { create: "true" },
    indexes: [{ field: "place" }],
  },
};

export interface Loaded {
  places: number;
  countries: number;
  seconds: number;
}

/** Collections, rules, indexes, documents; returns when every index is ready. */
export async function loadCities(
  client: BunbaseClient,
  progress: Progress,
  places: readonly PlaceDocument[] = placeDocuments(),
): Promise<Loaded> {
  const startedMs = performance.now();
  for (const [name, setup] of Object.entries(SETUP)) await prepare(client, name, setup);
  const countries = countryStats(places).map((each) => ({ ...each, _id: each.country }));
  await writeAll(client, replacements(COLLECTIONS.places, places), progress);
  await client.db.batch(replacements(COLLECTIONS.countryStats, countries), { idempotent: true });
  for (const name of Object.keys(SETUP)) await indexesReady(client, name);
  const seconds = (performance.now() - startedMs) / 1000;
  return { places: places.length, countries: countries.length, seconds };
}

async function prepare(client: BunbaseClient, name: string, setup: Setup): Promise<void> {
  try {
    await client.db.createCollection(name, { rules: setup.rules });
  } catch (error) {
    if (!(error instanceof BunbaseError && error.code === "collection_exists")) throw error;
    await client.db.setRules(name, setup.rules);
  }
  const collection = client.db.collection(name);
  for (const index of setup.indexes) await collection.createIndex(index, { idempotent: true });
}

function replacements(collection: string, documents: readonly { _id: string }[]): Operation[] {
  return documents.map((document) => ({ op: "replace", collection, id: document._id, document }));
}

async function writeAll(
  client: BunbaseClient,
  operations: readonly Operation[],
  progress: Progress,
): Promise<void> {
  let next = 0;
  progress.start(operations.length);
  const writer = async () => {
    while (next < operations.length) {
      const batch = operations.slice(next, next + BATCH_SIZE);
      next += batch.length;
      await client.db.batch(batch, { idempotent: true });
      progress.advance(batch.length);
    }
  };
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, writer));
  progress.finish();
}

async function indexesReady(client: BunbaseClient, name: string): Promise<void> {
  for (;;) {
    const indexes = await client.db.collection(name).listIndexes();
    const failed = indexes.find((index) => index.state === "failed");
    if (failed !== undefined) {
      throw new Error(`index ${failed.name} of ${name} could not be built: ${failed.reason}`);
    }
    if (indexes.every((index) => index.state === "ready")) return;
    await Bun.sleep(INDEX_POLL_MS);
  }
}

if (import.meta.main) {
  const { BUNBASE_URL = "http://127.0.0.1:3001", BUNBASE_KEY = "" } = process.env;
  const client = createClient(BUNBASE_URL, BUNBASE_KEY);
  const { places, countries, seconds } = await loadCities(client, new Progress("places"));
  console.log(`${places} places of ${countries} countries in ${seconds.toFixed(1)} s`);
}
