/** Compiles files as an application does that has this package installed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const MODULES = Bun.resolveSync("typescript/package.json", PACKAGE).replace(
  /\/typescript\/package\.json$/,
  "",
);

const ENTRIES = ["client", "db", "logger", "runtime", "test"];

/** What the compiler says of files by their paths; empty where nothing is wrong. */
export async function compile(
  files: Record<string, string>,
  options: Record<string, unknown> = {},
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "bunbase-types-"));
  const config = {
    extends: join(PACKAGE, "../../tsconfig.base.json"),
    compilerOptions: {
      lib: ["ESNext", "DOM", "DOM.Iterable"],
      typeRoots: [join(MODULES, "@types")],
      paths: Object.fromEntries([
        ["bunbase", [join(PACKAGE, "src/index.ts")]],
        ...ENTRIES.map((name) => [`bunbase/${name}`, [join(PACKAGE, `src/${name}.ts`)]]),
      ]),
      ...options,
    },
    files: Object.keys(files),
  };
  try {
    const all = { ...files, "tsconfig.json": JSON.stringify(config) };
    for (const [name, text] of Object.entries(all)) await Bun.write(join(directory, name), text);
    const tsc = join(MODULES, ".bin/tsc");
    const { stdout, exitCode } = Bun.spawnSync([tsc, "-p", directory], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const said = stdout.toString();
    if ((exitCode === 0) !== (said === "")) throw new Error(`tsc ended with ${exitCode}: ${said}`);
    return said;
  } finally {
    await rm(directory, { recursive: true });
  }
}
