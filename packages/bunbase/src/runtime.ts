/** For the module that `bunbase` writes around an application; nothing for people to import. */

import { checkConfig } from "./config.ts";
import { Context, type Reach, type Surroundings } from "./runtime/context.ts";
import {
  applicationManifest,
  checkRoutes,
  handlerManifest,
  type Manifest,
  type Migration,
} from "./runtime/manifest.ts";
import { failure } from "./runtime/output.ts";
import { type Loaded, register } from "./runtime/registry.ts";
import { type Runnable, respond, runnableOf } from "./runtime/run.ts";
import { reachOf, surroundingsOf } from "./runtime/surroundings.ts";
import { CONTEXT_HEADER, type WireContext } from "./runtime/wire.ts";

export interface ApplicationParts {
  config: unknown;
  modules: readonly Loaded[];
  actions: readonly Loaded[];
  /** What the server applies before the application takes calls. */
  migrations?: readonly Migration[];
}

/** What the worker knows of a call besides its request. */
export interface CallOfWorker {
  /** One header, without making the others; workers of older servers have none. */
  header?(name: string): string | undefined;
}

export type Handler = (request: Request, call?: CallOfWorker) => Promise<Response>;

export interface Application {
  readonly manifest: Manifest;
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** Joins the parts of an application; throws where one of them is not as it has to be, with its file. */
export function application(
  { config, modules, actions, migrations = [] }: ApplicationParts,
  reach: Partial<Reach> = {},
): Application {
  checkConfig(config);
  const runnables = register(modules, actions).map(runnableOf);
  const handlers = runnables.map((each) => handlerManifest(each.registered, each));
  checkRoutes(
    handlers,
    runnables.map((each) => each.registered),
  );
  const surroundings = surroundingsOf(runnables, { ...reachOf(config), ...reach });
  return {
    manifest: { version: 1, handlers, application: applicationManifest(config, migrations) },
    handlers: Object.fromEntries(
      runnables.map((each) => [each.registered.name, handlerOf(each, surroundings)]),
    ),
  };
}

function handlerOf(runnable: Runnable, surroundings: Surroundings): Handler {
  return (request, call) => {
    const header = call?.header?.(CONTEXT_HEADER) ?? request.headers.get(CONTEXT_HEADER);
    if (header === null) {
      const error = new Error("an action is started by its triggers alone");
      return Promise.resolve(failure(undefined, error, ""));
    }
    const wire = JSON.parse(header) as WireContext;
    return respond(runnable, new Context(surroundings, runnable.registered, { wire, request }));
  };
}
