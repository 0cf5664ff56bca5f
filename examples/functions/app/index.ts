/** An application of several routes, with Hono: a list of things to do. */
import { bunbase } from "bunbase-js/function";
import { Hono } from "hono";

interface Todo {
  text: string;
  done: boolean;
}

const todos = bunbase.db.collection<Todo>("todos");
const app = new Hono();

app.get("/todos", async (c) => c.json(await todos.query({ done: false }, { limit: 100 })));

app.post("/todos", async (c) => {
  const { text } = await c.req.json<{ text?: unknown }>();
  if (typeof text !== "string" || text === "") return c.json({ error: "text is missing" }, 400);
  return c.json(await todos.create({ text, done: false }), 201);
});

app.put("/todos/:id/done", async (c) => {
  if ((await todos.get(c.req.param("id"))) === null) return c.notFound();
  return c.json(await todos.update(c.req.param("id"), { $set: { done: true } }));
});

export default app;
