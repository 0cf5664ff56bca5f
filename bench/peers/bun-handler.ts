// A peer of part h: the handler in `Bun.serve` alone, one process. Started as `bun bun-handler.ts <port>`.

import handler from "./handler.ts";

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  // Bun closes idle keep-alive connections after 10 s otherwise.
  idleTimeout: 0,
  fetch: handler.fetch,
});
