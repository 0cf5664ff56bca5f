/** What is known of the demo, kept beside its data (mode 0600) from before its first step on. */
import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface DemoState {
  url: string;
  email: string;
  password: string;
  project?: string;
  public_key?: string;
  secret_key?: string;
  /** Everything is deployed and loaded. */
  done: boolean;
}

export type Keyed = DemoState & Required<Pick<DemoState, "project" | "public_key" | "secret_key">>;

export function statePath(dataDir: string): string {
  return join(dataDir, "demo.json");
}

export function newState(url: string): DemoState {
  const password = randomBytes(15).toString("base64url");
  return { url, email: "demo@bunbase.local", password, done: false };
}

export async function readState(dataDir: string): Promise<DemoState | undefined> {
  const file = Bun.file(statePath(dataDir));
  return (await file.exists()) ? ((await file.json()) as DemoState) : undefined;
}

/** Whole or not at all: a start that is interrupted here finds the state before. */
export async function writeState(dataDir: string, state: DemoState): Promise<void> {
  const path = statePath(dataDir);
  const text = `${JSON.stringify(state, null, 2)}\n`;
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
}

export function hasKeys(state: DemoState): state is Keyed {
  return (
    state.project !== undefined && state.public_key !== undefined && state.secret_key !== undefined
  );
}
