// Runs the parts that were asked for, one after the other. Started by bench/run.

import { actions } from "./actions.ts";
import { type Bench, closeBench, type Length, openBench } from "./bench.ts";
import { coldStart } from "./cold-start.ts";
import { documents } from "./documents.ts";
import { events } from "./events.ts";
import { footprint } from "./footprint.ts";
import { functionMemory, functionPeers } from "./function-peers.ts";
import { functions } from "./functions.ts";
import { identity } from "./identity.ts";
import { machine } from "./machine.ts";
import { stopAll } from "./process.ts";
import { queues } from "./queues.ts";
import { publish, type Report } from "./report.ts";
import { saves } from "./saves.ts";
import { stores } from "./stores.ts";

const PARTS: Record<string, (bench: Bench) => Promise<Report>> = {
  a: functions,
  b: coldStart,
  c: documents,
  d: footprint,
  e: events,
  f: identity,
  g: stores,
  h: functionPeers,
  i: actions,
  j: queues,
  k: saves,
};
/** What another part does as well. */
const BY_ITSELF: typeof PARTS = { "h-memory": functionMemory };

const [asked = "all", length = "full"] = process.argv.slice(2);
const bench = openBench(length as Length);
process.on("exit", () => closeBench(bench));
try {
  const where = await machine(bench);
  console.log(JSON.stringify(where, null, 2));
  for (const part of asked === "all" ? Object.keys(PARTS) : [asked]) {
    const measure = PARTS[part] ?? BY_ITSELF[part];
    if (measure === undefined) throw new Error(`there is no part ${part}`);
    console.log(`==> part ${part}`);
    publish(await measure(bench), where, length);
  }
} finally {
  await stopAll();
}
