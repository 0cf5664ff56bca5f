// A peer of part i: Fastify on Bun, with its own validator and serialiser. Started as `bun fastify.ts <port>`.

import Fastify from "fastify";
import { cookie, Order, Receipt, receive, session } from "./order.ts";

const app = Fastify({ keepAliveTimeout: 0 });
app.get("/ready", async () => "ready");
app.post<{ Body: Order }>(
  "/api/orders",
  {
    schema: {
      body: Order,
      response: { 200: { type: "object", properties: { data: Receipt }, required: ["data"] } },
    },
    async preValidation(request, reply) {
      if (session(cookie(request.headers.cookie)) === undefined)
        return reply.code(401).send({ error: { code: "unauthorized" } });
    },
  },
  async (request) => ({ data: receive(request.body) }),
);
await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
