// Prints what a configuration says about where things are, as the last line: JSON, or `{ error }`.
const isText = (value) => typeof value === "string" && value !== "";
const answer = (value) => console.log(JSON.stringify(value));
try {
  const { default: config } = await import(process.argv[1]);
  if (typeof config !== "object" || config === null) throw new Error("it has to export default defineConfig({ … })");
  const { port = 3000, hostname, actionsDir = "src", database = {}, studio = {}, persistence = {} } = config;
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error("`port` has to be a number from 0 to 65535");
  if (!isText(actionsDir)) throw new Error("`actionsDir` has to be the name of a directory");
  const migrationsDir = database?.migrations?.directory ?? "migrations";
  const seedsDir = database?.seeds?.directory ?? "seeds";
  const named = database?.url ?? process.env.DATABASE_URL;
  // Addresses of other databases are for other programs.
  const databaseUrl = /^postgres(ql)?:\/\//.test(named ?? "") ? named : null;
  const studioApi = studio.enabled === false ? null : (studio.apiPrefix ?? `${studio.path ?? "/_studio"}/api`);
  const { flushIntervalMs = 2000, maxBufferSize = 500 } = persistence;
  if (![flushIntervalMs, maxBufferSize].every((each) => Number.isInteger(each) && each > 0))
    throw new Error("`persistence.flushIntervalMs` and `maxBufferSize` have to be whole numbers from 1 on");
  const runs = { flushIntervalMs, maxBufferSize };
  answer({ port, hostname: hostname ?? null, actionsDir, migrationsDir, seedsDir, databaseUrl, studioApi, runs });
} catch (error) {
  answer({ error: String(error?.message ?? error) });
}
