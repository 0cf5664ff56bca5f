import { module } from "bunbase";
import { emit, latencies, onDurable, onMemory } from "./events.ts";
import { nothing, push, row, rows, setUp } from "./jobs.ts";

export default module({
  name: "bench",
  actions: [nothing, row, push, rows, setUp, emit, onMemory, onDurable, latencies],
});
