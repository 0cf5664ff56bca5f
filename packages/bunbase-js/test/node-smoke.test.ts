/** The built package as Node loads it: ESM from `dist`, the global `fetch`, no dependencies. */
import { afterAll, expect, test } from "bun:test";
import { resolve } from "node:path";
import { ok, WireServer } from "./server.ts";

const server = new WireServer();
afterAll(() => server.stop());

const script = `
import { BunbaseError, createClient } from "bunbase-js";
import { bunbase } from "bunbase-js/function";
const client = createClient(process.argv[1], "pk_node", { retry: { attempts: 1 } });
const document = await client.db.collection("places").get("1");
const outside = await bunbase.db.listCollections().catch((error) => error);
console.log(JSON.stringify({ document, outside: outside instanceof BunbaseError && outside.code }));
`;

test("the built package works on Node", async () => {
  server.answer(ok({ _id: "1", name: "Paris" }));
  const command = ["node", "--input-type=module", "--eval", script, server.url];
  const cwd = resolve(import.meta.dir, "..");
  const node = Bun.spawn(command, { cwd, stdout: "pipe", stderr: "inherit" });
  const output = await new Response(node.stdout).text();
  expect(await node.exited).toBe(0);
  expect(JSON.parse(output)).toEqual({
    document: { _id: "1", name: "Paris" },
    outside: "outside_function",
  });
});
