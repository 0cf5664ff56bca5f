/**
 * `make up`, after the build: runs the server in the foreground and, on a new data directory, fills
 * it with the demo. Ends with the server's own code.
 */
import { deployFunctions, loadPlaces } from "./up/cities.ts";
import { ensureDemo } from "./up/demo.ts";
import { readOptions, type UpOptions } from "./up/options.ts";
import { firstPage, laterPage, style } from "./up/page.ts";
import { Server } from "./up/server.ts";
import { readState, statePath } from "./up/state.ts";

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  const server = await Server.start(options);
  forwardSignals(server);
  try {
    if (await server.ready(options.url)) await welcome(options);
  } catch (error) {
    // A server that drains refuses what the demo still wanted to do.
    if (server.stopping) return stopped(server);
    complain(error);
    server.stop("SIGTERM");
    await server.exited();
    return 1;
  }
  return await server.exited();
}

async function welcome(options: UpOptions): Promise<void> {
  const { dataDir, url } = options;
  const look = style(process.stdout.isTTY && !process.env.NO_COLOR);
  const path = statePath(dataDir);
  const before = await readState(dataDir);
  const say = (text: string) => console.log(`${look.green("✓")} ${text}`);
  const demo = await ensureDemo(options, {
    say,
    deploy: async (state) => {
      await deployFunctions(options, state);
      say("functions nearest, search, stats and visit");
    },
    load: async (state) => say(await loadPlaces(state)),
  });
  const first = demo !== undefined && !before?.done;
  console.log(first ? firstPage(demo, path, look) : laterPage(url, demo && path, look));
}

function forwardSignals(server: Server): void {
  process.on("SIGINT", () => server.stop("SIGINT"));
  process.on("SIGTERM", () => server.stop("SIGTERM"));
  process.on("SIGHUP", () => server.stop("SIGTERM"));
}

async function stopped(server: Server): Promise<number> {
  const code = await server.exited();
  console.error("stopped before the demo was complete; the next start goes on with it");
  return code;
}

function complain(error: unknown): void {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
}

process.exit(
  await main().catch((error) => {
    complain(error);
    return 1;
  }),
);
