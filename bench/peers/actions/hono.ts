// A peer of part i: Hono with TypeBox. Started as `bun hono.ts <port>`.

import { tbValidator } from "@hono/typebox-validator";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Hono } from "hono";
import { cookie, Order, Receipt, receive, session } from "./order.ts";

const output = TypeCompiler.Compile(Receipt);
const app = new Hono();
app.get("/ready", (context) => context.text("ready"));
app.post(
  "/api/orders",
  async (context, next) => {
    if (session(cookie(context.req.header("cookie"))) === undefined)
      return context.json({ error: { code: "unauthorized" } }, 401);
    await next();
  },
  tbValidator("json", Order),
  (context) => {
    const data = receive(context.req.valid("json"));
    if (!output.Check(data)) return context.json({ error: { code: "invalid_output" } }, 500);
    return context.json({ data });
  },
);

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  idleTimeout: 0,
  fetch: app.fetch,
});
