import { join, relative } from "node:path";
import type { SeedDefinition } from "./seeder.ts";

/** The seeds that the files of a directory, and of those in it, export as their default. */
export async function readSeeds(directory: string): Promise<SeedDefinition[]> {
  const files = await Array.fromAsync(new Bun.Glob("**/*.{ts,js}").scan({ cwd: directory }));
  const seeds: SeedDefinition[] = [];
  for (const file of files.filter((name) => !name.endsWith(".d.ts")).sort()) {
    const path = join(directory, file);
    const { default: definition }: { default?: unknown } = await import(path);
    if (!isSeed(definition))
      throw new TypeError(`${relative(".", path)} has to export default seed({ name, run })`);
    seeds.push(definition);
  }
  return seeds;
}

function isSeed(value: unknown): value is SeedDefinition {
  if (typeof value !== "object" || value === null) return false;
  const { name, run } = value as Partial<SeedDefinition>;
  return typeof name === "string" && typeof run === "function";
}
