// Bundles one uploaded source: `bun build.js <entry> <outfile>`. The last line on standard output is the answer
// in JSON: `{}`, or `{ errors }`, or `{ sdkMissing }`. Runs in a child process: Bun.build does not give back all
// of its memory.
import { isBuiltin } from "node:module";

const SDK = ["bunbase-js", "bunbase-js/function"];
const ERRORS_MAX = 10;
const LINE_CHARACTERS_MAX = 200;
const [entry, outfile] = process.argv.slice(2);

function describe(error) {
  const errors = error?.errors?.length ? error.errors : [error];
  return errors.slice(0, ERRORS_MAX).map((each) => {
    const at = each?.position;
    const place = at ? { line: at.line, column: at.column, text: at.lineText?.slice(0, LINE_CHARACTERS_MAX) } : {};
    return { message: String(each?.message ?? each), ...place };
  });
}

// A single source has no files and no packages beside it: what it finds by chance on this server is not its own.
function refuse(path) {
  return {
    message: `"${path}" is not part of the upload: deploy the directory with \`bunbase functions deploy <directory>\`, which bundles it`,
  };
}

async function build() {
  const source = await Bun.file(entry).text();
  const imports = new Bun.Transpiler({ loader: "ts" }).scanImports(source).map((each) => each.path);
  const foreign = imports.filter((path) => !SDK.includes(path) && !path.startsWith("bun") && !isBuiltin(path));
  if (foreign.length > 0) return { errors: foreign.slice(0, ERRORS_MAX).map(refuse) };
  const usesSdk = imports.some((path) => SDK.includes(path));
  if (usesSdk && !(await Bun.file(`${import.meta.dir}/node_modules/bunbase-js/dist/index.js`).exists())) {
    return { sdkMissing: true };
  }
  // Names stay, for stacks that people can read.
  const minify = { whitespace: true, syntax: true, identifiers: false };
  const { outputs } = await Bun.build({ entrypoints: [entry], target: "bun", format: "esm", minify });
  await Bun.write(outfile, outputs[0]);
  return {};
}

const answer = await build().catch((error) => ({ errors: describe(error) }));
await Bun.write(Bun.stdout, `${JSON.stringify(answer)}\n`);
