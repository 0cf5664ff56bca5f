import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../test/compile.ts";
import { action, Conflict, http, module, t, triggers } from "../index.ts";
import { createTestServer } from "../test.ts";
import { generateClient, generateNames } from "./generate.ts";

const create = action(
  {
    name: "create",
    description: "Makes a task */ quickly",
    input: t.Object({
      list: http.Path(t.String()),
      title: t.String(),
      done: t.Boolean({ default: false }),
      key: t.Optional(http.Header(t.String(), "X-Key")),
      sid: t.Optional(http.Cookie(t.String())),
      note: t.Optional(t.Union([t.Literal("a"), t.Null()])),
    }),
    output: t.Object({
      title: t.String(),
      done: t.Boolean(),
      seen: t.Array(t.String()),
      version: http.Header(t.Integer(), "X-Version"),
    }),
    triggers: [triggers.api("POST", "/:list"), triggers.queue("tasks")],
  },
  async ({ list, title, done, key = "", sid = "" }) => {
    if (title === "taken") throw new Conflict("there is one already");
    return { title, done, seen: [list, key, sid], version: 7 };
  },
);
const list = action(
  {
    name: "list",
    input: t.Object({
      list: t.String(),
      limit: t.Optional(t.Integer()),
      tag: t.Optional(http.Query(t.Array(t.String()))),
    }),
    output: t.Object({ rows: t.Array(t.String()) }),
    triggers: [triggers.api("GET", "/:list"), triggers.event("task.done")],
  },
  async ({ list, limit, tag = [] }) => ({ rows: [list, String(limit), ...tag] }),
);
const upload = action(
  {
    name: "upload-file",
    input: t.Object({ pages: t.Integer(), file: t.Any() }),
    output: t.Object({ size: t.Number() }),
    triggers: [triggers.api("POST", "/upload")],
  },
  async ({ pages, file }) => ({ size: file.size * pages }),
);
const mapped = action(
  {
    name: "mapped",
    input: t.Object({}),
    output: t.Object({}),
    triggers: [triggers.api("GET", "/mapped", { map: () => ({}) })],
  },
  async () => ({}),
);
const tasks = module({ name: "tasks", apiPrefix: "/api", actions: [create, list] });
const actions = [tasks, upload, mapped];

test("the client of an application sends each field where it belongs, and takes answers apart", async () => {
  const server = createTestServer({ actions });
  const directory = await mkdtemp(join(tmpdir(), "bunbase-client-"));
  try {
    const file = join(directory, "client.ts");
    // As the command line has it: out of JSON.
    await Bun.write(file, generateClient(JSON.parse(JSON.stringify(server.manifest))));
    const { createClient } = await import(file);
    const client = createClient({ baseUrl: `${server.url}/` });
    expect(client.mapped).toBeUndefined();
    const input = { list: "a/b", title: "Tea", key: "k", sid: "ü" };
    expect(await client.tasks.create(input)).toEqual({
      title: "Tea",
      done: false,
      seen: ["a/b", "k", "ü"],
      version: 7,
    });
    expect(await client.tasks.list({ list: "x", limit: 2, tag: ["a", "b"] })).toEqual({
      rows: ["x", "2", "a", "b"],
    });
    const blob = new Blob(["hello"]);
    expect(await client["upload-file"]({ pages: 3, file: blob })).toEqual({ size: 15 });
    const failed = (title: unknown) =>
      client.tasks.create({ list: "x", title }).catch((error: unknown) => error);
    expect(await failed("taken")).toMatchObject({
      name: "ApiError",
      status: 409,
      code: "conflict",
      message: "there is one already",
    });
    expect(await failed(5)).toMatchObject({ status: 400, details: [{ path: "/title" }] });
  } finally {
    await server.stop();
    await rm(directory, { recursive: true });
  }
});

test("the client and the names of an application compile, and refuse what does not fit", async () => {
  const server = createTestServer({ actions });
  await server.stop();
  const use = `
import { createClient, ApiError } from "./client.ts";
const client = createClient({ baseUrl: "http://x" });
export const made: Promise<{ title: string; done: boolean; seen: string[]; version: number }> =
  client.tasks.create({ list: "a", title: "b", note: null });
export const status = (error: ApiError): number => error.status;
// @ts-expect-error: the title is missing
client.tasks.create({ list: "a" });
// @ts-expect-error: a number
client.tasks.create({ list: "a", title: "b", note: "c" });
`;
  const app = `
import { action, t } from "bunbase";
export const caller = action(
  { name: "caller", input: t.Object({}), output: t.Object({ title: t.String() }) },
  async (_input, ctx) => {
    await ctx.event.emit("task.done", { list: "a", limit: 1 });
    await ctx.queue.push("tasks", { list: "a", title: "b" });
    // @ts-expect-error: there is no such queue
    await ctx.queue.push("task", {});
    // @ts-expect-error: the list is missing
    await ctx.event.emit("task.done", { limit: 1 });
    // @ts-expect-error: there is no such action
    await ctx.action("tasks.crate", {});
    // @ts-expect-error: the title is missing
    await ctx.action("tasks.create", { list: "a" });
    const { title } = await ctx.action("tasks.create", { list: "a", title: "b" });
    return { title };
  },
);
`;
  const said = await compile({
    "client.ts": generateClient(server.manifest),
    "names.d.ts": generateNames(server.manifest),
    "use.ts": use,
    "app.ts": app,
  });
  expect(said).toBe("");
}, 60_000);

test("an action that has the name of a module is told, not lost", () => {
  const handler = {
    triggers: [{ kind: "http", methods: ["GET"], path: "/a" }],
    input: {},
    output: {},
  };
  const handlers = [
    { ...handler, name: "tasks", action: {} },
    { ...handler, name: "tasks.list", action: { module: "tasks" } },
  ];
  expect(() => generateClient({ handlers })).toThrow('the action "tasks"');
});
