/** A few real places, and calls to a handler as the server makes them. */
import type { WithId } from "bunbase-js";
import { cellKey } from "../lib/grid.ts";
import { nameKey } from "../lib/names.ts";
import type { Handler, Place } from "../lib/places.ts";

export const paris = place("2988507", "Paris", "FR", 2_138_551, 48.85341, 2.3488);
export const somePlaces: WithId<Place>[] = [
  paris,
  place("2995603", "Mâcon", "FR", 36_068, 46.31667, 4.83333),
  place("4207400", "Macon", "US", 153_691, 32.84069, -83.6324),
  place("2643743", "London", "GB", 7_556_900, 51.50853, -0.12574),
  place("5881791", "Macamic", "CA", 1_540, 48.75, -79),
];

function place(
  ...[_id, name, country, population, lat, lon]: [string, string, string, number, number, number]
): WithId<Place> {
  const name_key = nameKey(name);
  return { _id, name, name_key, country, population, lat, lon, cell: cellKey({ lat, lon }) };
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  body: any;
}

export function get(handler: Handler, query: Record<string, string>): Promise<Answer> {
  return call(handler, new Request(`http://test/v1/functions/f?${new URLSearchParams(query)}`));
}

export function post(handler: Handler, body: unknown): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return call(handler, new Request("http://test/v1/functions/f", { method: "POST", body: text }));
}

async function call(handler: Handler, request: Request): Promise<Answer> {
  const response = await handler(request);
  return { status: response.status, body: await response.json() };
}
