// A peer of part i: Elysia. Started as `bun elysia.ts <port>`.

import { Elysia, t } from "elysia";
import { cookie, Order, Receipt, receive, session } from "./order.ts";

new Elysia({ serve: { hostname: "127.0.0.1", idleTimeout: 0 } })
  .get("/ready", () => "ready")
  .post("/api/orders", ({ body }) => ({ data: receive(body) }), {
    body: Order,
    response: { 200: t.Object({ data: Receipt }), 401: t.String() },
    beforeHandle({ headers, status }) {
      if (session(cookie(headers.cookie)) === undefined) return status(401, "unauthorized");
    },
  })
  .listen(Number(process.argv[2]));
