// An application in memory: its actions, ready to run, and what their contexts reach.

import { type BunbaseConfig, checkConfig } from "../config.ts";
import { createDB, DatabaseClient } from "../db.ts";
import { Logger } from "../logger.ts";
import { Context, type Reach, type Surroundings } from "./context.ts";
import { services } from "./ports.ts";
import { telling } from "./remembered.ts";
import { askServer, type Runnable, runInside, unknownAction } from "./run.ts";
import { ask } from "./wire.ts";

/** Where that fails, what the server remembers is old for some seconds. */
async function tellServer(): Promise<void> {
  await ask("/v1/app/changed", {}).catch(() => undefined);
}

/** In a worker of the server. */
export function reachOf(config: unknown): Reach {
  checkConfig(config);
  const { auth, database, guards }: BunbaseConfig = config;
  let db: DatabaseClient | undefined;
  return {
    db() {
      db ??= new DatabaseClient(telling(createDB(database?.url, database).executor, tellServer));
      return db;
    },
    logger: (names) => new Logger().child(names),
    services,
    guardMode: guards?.defaultMode ?? "sequential",
    hasSessions: auth !== undefined,
    decide: askServer,
  };
}

export function surroundingsOf(runnables: readonly Runnable[], reach: Reach): Surroundings {
  const byName = new Map(runnables.map((each) => [each.registered.name, each]));
  const surroundings: Surroundings = {
    ...reach,
    async call(from, name, input) {
      const wanted = byName.get(name);
      if (wanted === undefined) throw unknownAction(name, byName.keys());
      const { request, wire } = from;
      const path = [...from.path, from.registered.name];
      const inner = { ...wire, trigger: "call" as const, index: -1, guards: 0 };
      const ctx = new Context(surroundings, wanted.registered, { wire: inner, request, path });
      ctx.auth = from.auth;
      ctx.org = from.org;
      return runInside(wanted, ctx, input);
    },
  };
  return surroundings;
}
