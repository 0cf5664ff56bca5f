// The actions of an application by their names, out of the files that export them.

import type { TSchema } from "@sinclair/typebox";
import {
  type ActionConfig,
  type AnyAction,
  isAction,
  isModule,
  type ModuleConfig,
  type ModuleDefinition,
} from "../action.ts";
import type { Guard, GuardGroup } from "../guards.ts";

/** The exports of a file, by its path. */
export type Loaded = readonly [path: string, exports: Record<string, unknown>];

/** An action as it is run. */
export interface Registered {
  /** `<module>.<action>`, or the action's own name. */
  readonly name: string;
  readonly file: string;
  readonly action: AnyAction;
  readonly config: ActionConfig<TSchema, TSchema>;
  readonly module: ModuleConfig | undefined;
  /** Those of the module first. */
  readonly guards: readonly Guard[];
}

/** Throws where files export something else, or two actions have one name. */
export function register(modules: readonly Loaded[], actions: readonly Loaded[]): Registered[] {
  const found = [...modules.flatMap(ofModule), ...actions.flatMap(alone)];
  const files = new Map<string, string>();
  for (const { name, file } of found) {
    const other = files.get(name);
    if (other !== undefined)
      throw new TypeError(`${file}: the action "${name}" is there already, in ${other}`);
    files.set(name, file);
  }
  return found;
}

function ofModule([file, exports]: Loaded): Registered[] {
  const definition = exports.default ?? exports.module;
  if (!isModule(definition))
    throw new TypeError(`${file}: export default module({ name, actions })`);
  const { config } = definition as ModuleDefinition;
  return config.actions.map((action) => registered(file, action, config));
}

/** Files that export something else than an action are left alone: they may be anything. */
function alone([file, exports]: Loaded): Registered[] {
  const definition = exports.default ?? exports.action;
  return isAction(definition) ? [registered(file, definition, undefined)] : [];
}

function registered(file: string, action: AnyAction, module: ModuleConfig | undefined): Registered {
  const config = action.config as ActionConfig<TSchema, TSchema>;
  const name = module === undefined ? config.name : `${module.name}.${config.name}`;
  const guards = [...list(module?.guards), ...list(config.guards)];
  return { name, file, action, config, module, guards };
}

function list(guards: readonly Guard[] | Guard | undefined): readonly Guard[] {
  if (guards === undefined) return [];
  return Array.isArray(guards) ? guards : [guards as GuardGroup];
}
