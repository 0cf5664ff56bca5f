// Bundles an upload: `bun build.js <entry> <outfile> <source|bundle|archive> <bun|quickjs> <milliseconds>` in a directory of its
// own. The last line on standard output is the answer in JSON: `{}`, or `{ errors }`, or `{ sdkMissing }`.
//
// `bun build` does the work, without macros: they would run here, and nothing of an upload may.
import { isAbsolute, relative } from "node:path";

const SDK = ["bunbase-js", "bunbase-js/function"];
const ERRORS_MAX = 10;
const TEXT_CHARACTERS_MAX = 200;
const [entry, outfile, form, runtime, timeout] = process.argv.slice(2);

// What one source finds by chance on this server is not its own; an archive has to bring what it uses.
function foreign(path) {
  const what = form === "archive" ? "put it into the archive, or its package into package.json and bun.lock" : "deploy the directory with `bunbase functions deploy <directory>`, which bundles it";
  return { message: `"${path}" is not part of the upload: ${what}` };
}

// `1 | the line`, a mark, `error: what is wrong`, `at path:line:column`.
function parse(output) {
  const errors = [];
  const pattern = /(?:^\d+ \| (.*)\n *\^\n)?^error: (.*)(?:\n +at (.*):(\d+):(\d+))?/gm;
  for (const [, text, message, path, line, column] of output.matchAll(pattern)) {
    const [, missing] = /^Could not resolve: "([^"]*)"/.exec(message) ?? [];
    if (SDK.includes(missing)) return { sdkMissing: true };
    const place = path && { line: Number(line), column: Number(column), text: text?.slice(0, TEXT_CHARACTERS_MAX) };
    errors.push({ ...(missing ? foreign(missing) : { message }), ...place });
  }
  return { errors: errors.length > 0 ? errors.slice(0, ERRORS_MAX) : [{ message: output.trim().slice(-2000) }] };
}

// Where a path leads out of the directory of this bundler, as it was written.
function strangers({ inputs }) {
  const outside = (path) => isAbsolute(path) || relative(".", path).startsWith("..");
  const imports = Object.values(inputs).flatMap((input) => input.imports);
  return Object.keys(inputs)
    .filter(outside)
    .map((path) => imports.find((each) => each.path === path)?.original ?? path);
}

// QuickJS has no modules of Node and Bun. A bundler for browsers has substitutes for some, which want more of Node.
const BUILTINS = ["node:*", "bun:*", "bun"];
const TARGETS = { bun: ["--target=bun"], quickjs: ["--target=browser", ...BUILTINS.flatMap((name) => ["--external", name])] };

function builtins({ inputs }) {
  const found = new Map();
  for (const [file, { imports }] of Object.entries(inputs).filter(([file]) => !file.startsWith("node:"))) {
    for (const { path, original = path, external } of imports) {
      if (external || path.startsWith("node:")) found.set(original, file);
    }
  }
  const bundled = form === "bundle" ? "let the server bundle it (`bunbase functions deploy <directory> --remote`)" : "leave it out";
  const advice = `the runtime quickjs has no modules of Node or Bun: ${bundled}, or deploy the function with the runtime bun`;
  return [...found].map(([name, file]) => ({ message: `"${name}" cannot be imported (${file}): ${advice}` }));
}

async function build() {
  // Names stay, for stacks that people can read.
  const flags = [
    "--no-macros",
    ...TARGETS[runtime],
    "--format=esm",
    "--minify-whitespace",
    "--minify-syntax",
    "--sourcemap=inline",
  ];
  const { exitCode, stderr } = Bun.spawnSync({
    cmd: [process.execPath, "build", ...flags, "--metafile=meta.json", `--outfile=${outfile}`, entry],
    stdout: "ignore",
    stderr: "pipe",
    timeout: Number(timeout),
    killSignal: "SIGKILL",
  });
  if (exitCode !== 0) return parse(stderr.toString());
  const meta = await Bun.file("meta.json").json();
  const errors = [...strangers(meta).map(foreign), ...(runtime === "quickjs" ? builtins(meta) : [])];
  return errors.length > 0 ? { errors: errors.slice(0, ERRORS_MAX) } : {};
}

const answer = await build().catch((error) => ({ errors: [{ message: String(error?.message ?? error) }] }));
await Bun.write(Bun.stdout, `${JSON.stringify(answer)}\n`);
