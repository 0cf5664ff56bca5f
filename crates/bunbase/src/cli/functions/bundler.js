// Bundles functions, until its input ends: `bun bundler.js <package bunbase-js>`. Each line of standard input is one as JSON,
// `{ root, entry, style: "small" | "plain" }`: paths are told from `root` on. Each is answered by a line of JSON on standard
// output: `{ code, inputs }`, with a source map at the end of `code` and the absolute paths of what is in it, or
// `{ errors: [{ message, file, line, column, text }] }`.
import { dirname, join, relative, resolve } from "node:path";

const ERRORS_MAX = 10;
const TEXT_CHARACTERS_MAX = 200;
const [sdk] = process.argv.slice(2);

/** The client, from this program where the function's own packages do not have it. */
const provided = {
  name: "bunbase-js",
  setup(build) {
    build.onResolve({ filter: /^bunbase-js(\/function)?$/ }, ({ path, importer }) => {
      try {
        return { path: Bun.resolveSync(path, dirname(importer)) };
      } catch {
        const file = path === "bunbase-js" ? "index.js" : "function.js";
        return { path: join(sdk, "dist", file) };
      }
    });
  },
};

/** Stacks need neither the sources nor the names in them. */
function inline(map) {
  const { sources, mappings } = JSON.parse(map);
  const text = JSON.stringify({ version: 3, sources, names: [], mappings });
  const base64 = Buffer.from(text).toString("base64");
  return `\n//# sourceMappingURL=data:application/json;base64,${base64}\n`;
}

function problem({ message, position }) {
  if (!position) return { message };
  const { file, line, column, lineText } = position;
  const text = lineText?.slice(0, TEXT_CHARACTERS_MAX);
  return { message, file: file && relative(".", file), line, column, text };
}

async function bundle({ root, entry, style }) {
  process.chdir(root);
  const { success, outputs, logs, metafile } = await Bun.build({
    entrypoints: [entry],
    target: "bun",
    format: "esm",
    // Names stay, for stacks that people can read.
    minify: style === "small" && { whitespace: true, syntax: true },
    sourcemap: "external",
    metafile: true,
    plugins: [provided],
    throw: false,
  });
  if (!success) return { errors: logs.slice(0, ERRORS_MAX).map(problem) };
  const [code, map] = ["entry-point", "sourcemap"].map((kind) => outputs.find((each) => each.kind === kind));
  const inputs = Object.keys(metafile.inputs).map((path) => resolve(path));
  return { code: (await code.text()) + inline(await map.text()), inputs };
}

for await (const line of console) {
  const failed = (error) => ({ errors: [{ message: String(error?.message ?? error) }] });
  const answer = await bundle(JSON.parse(line)).catch(failed);
  await Bun.write(Bun.stdout, `${JSON.stringify(answer)}\n`);
}
