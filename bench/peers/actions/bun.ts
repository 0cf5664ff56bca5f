// A peer of part i: `Bun.serve`, with TypeBox and the session by hand. Started as `bun bun.ts <port>`.

import { TypeCompiler } from "@sinclair/typebox/compiler";
import { cookie, Order, Receipt, receive, session } from "./order.ts";

const [input, output] = [TypeCompiler.Compile(Order), TypeCompiler.Compile(Receipt)];
const refuse = (status: number, code: string) => Response.json({ error: { code } }, { status });

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  idleTimeout: 0,
  routes: {
    "/ready": new Response("ready"),
    "/api/orders": {
      async POST(request) {
        if (session(cookie(request.headers.get("cookie"))) === undefined)
          return refuse(401, "unauthorized");
        const order: unknown = await request.json();
        if (!input.Check(order)) return refuse(400, "invalid_input");
        const data = receive(order);
        if (!output.Check(data)) return refuse(500, "invalid_output");
        return Response.json({ data });
      },
    },
  },
});
