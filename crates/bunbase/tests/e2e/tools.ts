// Uses the tools of a project with the protocol's own client, and prints what it saw as JSON:
// tools.ts http|stdio ADDRESS BUNBASE, the key of the project in KEY.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [way, address = "", command = ""] = process.argv.slice(2);
const key = process.env.KEY ?? "";

function transport(): StdioClientTransport | StreamableHTTPClientTransport {
  if (way === "http") {
    const headers = { "X-Bunbase-Client-Key": key, "X-Custom": "mine" };
    return new StreamableHTTPClientTransport(new URL("/v1/mcp", address), { requestInit: { headers } });
  }
  const env = { BUNBASE_URL: address, BUNBASE_KEY: key, HOME: process.env.HOME ?? "" };
  return new StdioClientTransport({ command, args: ["mcp"], env });
}

async function connected(): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport());
  return client;
}

const client = await connected();

const tools = [];
const pages = [];
let cursor: string | undefined;
do {
  const page = await client.listTools(cursor === undefined ? {} : { cursor });
  tools.push(...page.tools);
  pages.push(page.tools.length);
  cursor = page.nextCursor;
} while (cursor !== undefined);

const call = (name: string, args: Record<string, unknown> = {}) => client.callTool({ name, arguments: args });

/** Gives a call up once its handler runs, and waits until the handler knows. Over HTTP that is the end of the request. */
async function givenUp(): Promise<string> {
  const [caller, controller] = [await connected(), new AbortController()];
  const slow = caller.callTool({ name: "slow" }, undefined, { signal: controller.signal });
  const refused = slow.then(
    () => "answered",
    () => "given up",
  );
  await until("started");
  if (way === "http") await caller.close();
  else controller.abort();
  await until("aborted");
  await caller.close();
  return refused;
}

async function until(what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const state = (await call("state")).structuredContent as Record<string, unknown>;
    if (state[what] === true) return;
    if (Date.now() > deadline) throw new Error(`not ${what}: ${JSON.stringify(state)}`);
    await Bun.sleep(20);
  }
}

const has = (name: string) => tools.some((tool) => tool.name === name);
const seen = {
  server: client.getServerVersion()?.name,
  names: tools.map((tool) => tool.name),
  pages,
  add: tools.find((tool) => tool.name === "add"),
  sum: has("add") && (await call("add", { a: 1, b: 2 })),
  failed: has("fail") && (await call("fail")),
  thrown: has("throws") && (await call("throws")),
  who: has("calc_who") && (await call("calc_who")),
  missing: await call("missing").catch((error: Error) => error.message),
  slow: has("slow") && (await givenUp()),
};
await client.close();
console.log(JSON.stringify(seen));
