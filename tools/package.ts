// Packs the npm package `bunbase`: the framework, and the program for this platform. `bun tools/package.ts <program>
// <directory>` writes `bunbase-<version>.tgz` there and prints its path. Nothing but TypeBox has to come from a registry.
import { chmod, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { $, Glob } from "bun";

const ROOT = resolve(import.meta.dir, "..");
const SDK = "bunbase-js/function";

/** The client for functions lies inside, so that this package is the only one. */
async function withSdk(dist: string): Promise<void> {
  const sdk = join(dist, "sdk");
  for await (const path of new Glob("**/*.{js,d.ts}").scan({ cwd: dist, absolute: true })) {
    const text = await Bun.file(path).text();
    const near = relative(join(path, ".."), join(sdk, "function.js"));
    await Bun.write(
      path,
      text.replaceAll(`"${SDK}"`, `"${near.startsWith(".") ? near : `./${near}`}"`),
    );
  }
  await cp(join(ROOT, "packages/bunbase-js/dist"), sdk, { recursive: true });
}

function manifest(text: string): string {
  const { scripts, devDependencies, dependencies, files, ...rest } = JSON.parse(text);
  const { "bunbase-js": sdk, ...others } = dependencies;
  const here = { os: [process.platform], cpu: [process.arch] };
  const all = { ...rest, ...here, bin: { bunbase: "bin/bunbase" }, files: ["bin", ...files] };
  return JSON.stringify({ ...all, dependencies: others }, null, 2);
}

async function pack(program: string, destination: string): Promise<string> {
  const stage = await mkdtemp(join(tmpdir(), "bunbase-package-"));
  try {
    const source = join(ROOT, "packages/bunbase");
    await cp(join(source, "dist"), join(stage, "dist"), { recursive: true });
    await withSdk(join(stage, "dist"));
    await cp(join(source, "README.md"), join(stage, "README.md"));
    await cp(join(ROOT, "LICENSE"), join(stage, "LICENSE"));
    await cp(program, join(stage, "bin/bunbase"));
    await chmod(join(stage, "bin/bunbase"), 0o755);
    await Bun.write(
      join(stage, "package.json"),
      manifest(await Bun.file(join(source, "package.json")).text()),
    );
    const name = await $`npm pack --silent --pack-destination ${destination}`.cwd(stage).text();
    return join(destination, name.trim());
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

const [program, directory] = process.argv.slice(2);
if (program === undefined || directory === undefined) {
  console.error("usage: bun tools/package.ts <program> <directory>");
  process.exit(2);
}
console.log(await pack(resolve(program), resolve(directory)));
