/**
 * The first start: an account, the project `cities`, its functions, its documents. Every step is
 * either repeatable or noted before the next one, so that a start that was interrupted goes on.
 */
import { Developer } from "./developer.ts";
import type { UpOptions } from "./options.ts";
import { type DemoState, hasKeys, type Keyed, newState, readState, writeState } from "./state.ts";

const PROJECT = "cities";

export interface DemoSteps {
  say(text: string): void;
  deploy(state: Keyed): Promise<void>;
  load(state: Keyed): Promise<void>;
}

/** The finished demo; `undefined` where this data directory belongs to somebody else's account. */
export async function ensureDemo(
  options: Pick<UpOptions, "dataDir" | "url">,
  steps: DemoSteps,
): Promise<Keyed | undefined> {
  const { dataDir, url } = options;
  const developer = new Developer(url);
  const known = await readState(dataDir);
  if (known?.done && hasKeys(known)) return { ...known, url };
  const setupComplete = await developer.setupComplete();
  if (known === undefined && setupComplete) return undefined;
  const state = { ...(known ?? newState(url)), url };
  await writeState(dataDir, state);
  const keyed = await ensureProject(developer, state, setupComplete, steps);
  await writeState(dataDir, keyed);
  await steps.deploy(keyed);
  await steps.load(keyed);
  const done = { ...keyed, done: true };
  await writeState(dataDir, done);
  return done;
}

async function ensureProject(
  developer: Developer,
  state: DemoState,
  setupComplete: boolean,
  steps: DemoSteps,
): Promise<Keyed> {
  if (hasKeys(state)) return state;
  const { email, password } = state;
  if (setupComplete) await developer.logIn({ email, password });
  else await developer.setUp({ email, password });
  steps.say(`account ${email}`);
  // Its keys were shown when it was created, and lost with the start that was interrupted there.
  for (const { id } of await developer.projectsNamed(PROJECT)) await developer.deleteProject(id);
  const keys = await developer.createProject(PROJECT);
  steps.say(`project ${PROJECT}`);
  return { ...state, ...keys };
}
