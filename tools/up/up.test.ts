/** The whole of `up.ts` as a process, around a stand-in for the server. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const UP = resolve(import.meta.dir, "../up.ts");
const STAND_IN = resolve(import.meta.dir, "testing/server.ts");

let directory: string;
let binary: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "up-"));
  binary = join(directory, "bunbase");
  await Bun.write(binary, `#!/bin/sh\nexec "${process.execPath}" "${STAND_IN}" "$@"\n`);
  await chmod(binary, 0o755);
});

afterEach(() => rm(directory, { recursive: true }));

function up(listen: string, env: Record<string, string> = {}) {
  return Bun.spawn([process.execPath, UP, binary, directory, listen], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** A port that was free a moment ago. */
async function freeAddress(): Promise<string> {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const address = `127.0.0.1:${server.port}`;
  await server.stop(true);
  return address;
}

/** What the process writes, until `text` is in it, or to the end. */
async function read(output: AsyncIterator<string>, text?: string): Promise<string> {
  let seen = "";
  while (text === undefined || !seen.includes(text)) {
    const { done, value } = await output.next();
    if (done) break;
    seen += value;
  }
  return seen;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} reaches the server once, and its code is the end`, async () => {
    const address = await freeAddress();
    const process = up(address);
    const output = process.stdout.pipeThrough(new TextDecoderStream()).values();
    expect(await read(output, "127.0.0.1")).toContain(`running at http://${address}`);
    process.kill(signal);
    expect(await process.exited).toBe(0);
    expect(await read(output)).toContain(`drained after 1 ${signal}`);
  });
}

test("a server that ends before it is ready is the end, with its message and code", async () => {
  const process = up(await freeAddress(), { TEST_EXIT_CODE: "7" });
  expect(await process.exited).toBe(7);
  expect(await new Response(process.stderr).text()).toContain("the data directory is in use");
});

test("a port that is taken is said before anything is started", async () => {
  using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const process = up(`127.0.0.1:${other.port}`);
  expect(await process.exited).toBe(1);
  const errors = await new Response(process.stderr).text();
  expect(errors).toContain(`127.0.0.1:${other.port} is taken`);
  expect(errors).toContain("BUNBASE_LISTEN");
});
