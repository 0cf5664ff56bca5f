// Prints what a bundle declares, as the last line: JSON `{ manifest }` or `{ error }`.
const answer = (value) => console.log(JSON.stringify(value));
try {
  const { config } = await import(process.argv[1]);
  answer({ manifest: config });
} catch (error) {
  answer({ error: String(error?.message ?? error) });
}
process.exit(0);
