/** For the module that `bunbase` writes around an application; nothing for people to import. */

import { type BunbaseConfig, checkConfig } from "./config.ts";
import { createDB, type DatabaseClient } from "./db.ts";
import { Logger } from "./logger.ts";
import { Context, type Surroundings } from "./runtime/context.ts";
import {
  applicationManifest,
  checkRoutes,
  handlerManifest,
  type Manifest,
} from "./runtime/manifest.ts";
import { failure } from "./runtime/output.ts";
import { type Loaded, register } from "./runtime/registry.ts";
import { type Runnable, respond, runInside, runnableOf, unknownAction } from "./runtime/run.ts";
import { CONTEXT_HEADER, type WireContext } from "./runtime/wire.ts";

export interface ApplicationParts {
  config: unknown;
  modules: readonly Loaded[];
  actions: readonly Loaded[];
}

export type Handler = (request: Request) => Promise<Response>;

export interface Application {
  readonly manifest: Manifest;
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** Joins the parts of an application; throws where one of them is not as it has to be, with its file. */
export function application({ config, modules, actions }: ApplicationParts): Application {
  checkConfig(config);
  const runnables = register(modules, actions).map(runnableOf);
  const handlers = runnables.map((each) => handlerManifest(each.registered, each));
  checkRoutes(
    handlers,
    runnables.map((each) => each.registered),
  );
  const byName = new Map(runnables.map((each) => [each.registered.name, each]));
  const surroundings = surroundingsOf(config, byName);
  return {
    manifest: { version: 1, handlers, application: applicationManifest(config) },
    handlers: Object.fromEntries(
      runnables.map((each) => [each.registered.name, handlerOf(each, surroundings)]),
    ),
  };
}

function handlerOf(runnable: Runnable, surroundings: Surroundings): Handler {
  return (request) => {
    const header = request.headers.get(CONTEXT_HEADER);
    if (header === null) {
      const error = new Error("an action is started by its triggers alone");
      return Promise.resolve(failure(undefined, error, ""));
    }
    const wire = JSON.parse(header) as WireContext;
    return respond(runnable, new Context(surroundings, runnable.registered, { wire, request }));
  };
}

function surroundingsOf(
  config: BunbaseConfig,
  byName: ReadonlyMap<string, Runnable>,
): Surroundings {
  let db: DatabaseClient | undefined;
  const surroundings: Surroundings = {
    db() {
      db ??= createDB(config.database?.url);
      return db;
    },
    logger: (names) => new Logger().child(names),
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
