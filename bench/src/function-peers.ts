// Part h: functions at length. Against `Bun.serve`, Node's `http` and nginx; cold starts; a thousand functions; memory
// under load.

import { join } from "node:path";
import type { ProjectKeys } from "../../tools/up/developer.ts";
import type { Bench } from "./bench.ts";
import { type BunbaseServer, Installation } from "./bunbase.ts";
import { compare } from "./function-load.ts";
import { coldStarts, manyFunctions, memoryUnderLoad } from "./function-scale.ts";
import type { Report } from "./report.ts";

export async function functionPeers(bench: Bench): Promise<Report> {
  const { server, keys } = await withHandler(bench);
  const load = await compare(bench, server, keys.public_key);
  const memory = await memoryUnderLoad(bench, server, keys.public_key);
  await server.process.stop();
  const cold = await coldStarts(bench);
  const many = await manyFunctions(bench);
  return {
    part: "h",
    title:
      "A deployed function beside Bun.serve, node and nginx; cold starts; many functions; memory",
    peer: "named in each row",
    rows: [...load.rows, ...cold.rows, ...many.rows, ...memory.rows],
    notes: [
      "CPU per request is of all processes of a side. At 1 connection wrk has the first core and the servers the others.",
      ...load.notes,
    ],
    runs: { load: load.runs, cold: cold.runs, many: many.runs, memory: memory.runs },
  };
}

/** The memory of part h by itself. */
export async function functionMemory(bench: Bench): Promise<Report> {
  const { server, keys } = await withHandler(bench);
  const { rows, runs } = await memoryUnderLoad(bench, server, keys.public_key);
  await server.process.stop();
  return { part: "h-memory", title: "Memory of a function under load", rows, notes: [], runs };
}

/** A server with the function `handler`. */
async function withHandler(bench: Bench): Promise<{ server: BunbaseServer; keys: ProjectKeys }> {
  const installation = new Installation(bench, "function-peers");
  const server = await installation.start();
  const keys = await installation.setUp(server);
  const handler = join(import.meta.dir, "../peers/handler.ts");
  await installation.deploy(server, keys, "handler", handler);
  return { server, keys };
}
