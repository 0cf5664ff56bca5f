// What actions reach in a test.

import { type AnyAction, isModule, type ModuleDefinition } from "../action.ts";
import type { DatabaseClient } from "../db.ts";
import { LoggerSession } from "../logger.ts";
import type { Reach } from "../runtime/context.ts";
import type { Services } from "../runtime/ports.ts";
import type { Loaded } from "../runtime/registry.ts";
import type { ActionLogger } from "../types.ts";
import { localGuards } from "./guards.ts";
import { memoryServices } from "./services.ts";

export interface TestReach {
  /** `ctx.db`: such as `await createTestDatabase()`. */
  db?: DatabaseClient | undefined;
  /** Lines are kept and not printed where absent. */
  logger?: ActionLogger | undefined;
  /** Some or all of them in place of those of `memoryServices()`. */
  services?: Partial<Services> | undefined;
}

export function reachOfTest({ db, logger, services }: TestReach): Reach {
  const log = logger ?? new LoggerSession({ write: () => {} });
  return {
    db() {
      if (db === undefined) throw new Error("the test has no database: give it `db`");
      return db;
    },
    logger: () => log,
    services: { ...memoryServices(), ...services },
    guardMode: "sequential",
    hasSessions: true,
    decide: localGuards(),
  };
}

/** Actions and modules as the files that export them. */
export function filesOf(definitions: readonly (AnyAction | ModuleDefinition)[]): {
  modules: Loaded[];
  actions: Loaded[];
} {
  const files = definitions.map(
    (each) => [each.config.name, { default: each }] as const satisfies Loaded,
  );
  const isOfModule = ([, { default: each }]: (typeof files)[number]) => isModule(each);
  return {
    modules: files.filter(isOfModule),
    actions: files.filter((file) => !isOfModule(file)),
  };
}
