/** `POST visit` with `{ place, visitor, note? }`: notes that somebody was at a place. */
import { bunbase } from "bunbase-js/function";
import { answer } from "../lib/answer.ts";
import { Input, InvalidInput } from "../lib/input.ts";
import {
  COLLECTIONS,
  type Handler,
  type Place,
  type Reader,
  type Visit,
  type Writer,
} from "../lib/places.ts";

export function visit(places: Reader<Place>, visits: Writer<Visit>): Handler {
  return answer("POST", async (request) => {
    const input = await Input.ofBody(request);
    const place = input.text("place", { max: 20 });
    const visitor = input.text("visitor", { max: 80 });
    const note = input.optionalText("note", { max: 500 });
    input.check();
    if (!/^\d+$/.test(place) || (await places.get(place)) === null) {
      throw new InvalidInput({ place: "is not the id of a place" });
    }
    const visited_at = new Date().toISOString();
    const document = { place, visitor, visited_at, ...(note !== undefined && { note }) };
    return Response.json({ visit: await visits.create(document) }, { status: 201 });
  });
}

export default visit(
  bunbase.db.collection<Place>(COLLECTIONS.places),
  bunbase.db.collection<Visit>(COLLECTIONS.visits),
);
