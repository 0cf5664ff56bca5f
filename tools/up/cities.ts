/** What the demo runs in its project: the functions of `examples/cities`, and its documents. */
import { join, resolve } from "node:path";
import type { UpOptions } from "./options.ts";
import type { Keyed } from "./state.ts";

const EXAMPLE = resolve(import.meta.dir, "../../examples/cities");

/** Through the command line, as a person would. */
export async function deployFunctions(options: UpOptions, state: Keyed): Promise<void> {
  await run([options.binary, "functions", "deploy", EXAMPLE], {
    BUNBASE_URL: options.url,
    BUNBASE_KEY: state.secret_key,
    BUNBASE_PROJECT: state.project,
    // Nobody's own login or project takes part.
    BUNBASE_CONFIG_DIR: join(options.dataDir, "demo-cli"),
    BUNBASE_BUN_PATH: process.env.BUNBASE_BUN_PATH ?? process.execPath,
  });
}

/** Through the public SDK. It is imported only here: later starts have no use for it. */
export async function loadPlaces(state: Keyed): Promise<string> {
  const { createClient } = await import("bunbase-js");
  const { loadCities } = await import("../../examples/cities/load.ts");
  const { Progress } = await import("../../examples/cities/lib/progress.ts");
  const client = createClient(state.url, state.secret_key);
  const { places, countries, seconds } = await loadCities(client, new Progress("places"));
  const rate = Math.round(places / seconds).toLocaleString("en");
  return (
    `${places.toLocaleString("en")} places of ${countries} countries ` +
    `in ${seconds.toFixed(1)} s (${rate}/s, indexes included)`
  );
}

async function run(command: string[], env: Record<string, string>): Promise<void> {
  const child = Bun.spawn(command, {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) {
    const shown = `${output}${errors}`.trim();
    throw new Error(`${command.slice(1).join(" ")} ended with ${code}:\n${shown}`);
  }
}
