/** Stand-in for `bunbase serve`: ready at once, set up by somebody else, drains on a signal. */
const listen = process.argv[process.argv.indexOf("--listen") + 1] ?? "";
if (process.env.TEST_EXIT_CODE !== undefined) {
  console.error("error: the data directory is in use");
  process.exit(Number(process.env.TEST_EXIT_CODE));
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(listen.split(":").at(-1)),
  fetch: () => Response.json({ setup_complete: true }),
});

let signals = 0;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, async () => {
    signals += 1;
    await server.stop();
    console.log(`drained after ${signals} ${signal}`);
    process.exit(0);
  });
}
