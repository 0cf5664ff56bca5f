/** `GET nearest?lat=48.85&lon=2.35&limit=5`: the places nearest to a point, the nearest first. */
import { bunbase } from "bunbase-js/function";
import { answer } from "../lib/answer.ts";
import { Input } from "../lib/input.ts";
import { nearestPlaces } from "../lib/nearest.ts";
import { COLLECTIONS, type Handler, type Place, type Reader } from "../lib/places.ts";

export function nearest(places: Reader<Place>): Handler {
  return answer("GET", async (request) => {
    const input = Input.ofQuery(request);
    const lat = input.number("lat", { min: -90, max: 90 });
    const lon = input.number("lon", { min: -180, max: 180 });
    const limit = input.integer("limit", { min: 1, max: 100, fallback: 10 });
    input.check();
    return Response.json({ places: await nearestPlaces(places, { lat, lon }, limit) });
  });
}

export default nearest(bunbase.db.collection<Place>(COLLECTIONS.places));
