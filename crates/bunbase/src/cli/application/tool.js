// Runs a tool of `bunbase/cli` with the JSON of standard input, and prints what it gave as the last line: JSON
// `{ answer }` or `{ error }`.
const say = (value) => console.log(JSON.stringify(value));
try {
  const { tools } = await import("bunbase/cli");
  say({ answer: await tools[process.argv[1]](await Bun.stdin.json()) });
} catch (error) {
  say({ error: String(error?.message ?? error) });
}
process.exit(0);
