// The peer of the function benchmark: the same answer from `Bun.serve` alone, one process.
// Started as `bun bun-serve.ts <port>`.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  // Bun closes idle keep-alive connections after 10 s otherwise.
  idleTimeout: 0,
  fetch: () => Response.json({ hello: "world" }),
});
console.log(`listening on ${server.url}`);
