import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LoadFailure, loadHandlers } from "./load.ts";

const directory = mkdtempSync(join(tmpdir(), "load-"));
afterAll(() => rmSync(directory, { recursive: true }));

function load(name: string, source: string, handlers: readonly string[]) {
  const bundle = join(directory, `${name}.js`);
  writeFileSync(bundle, source);
  const rest = { bytecode: null, env: {}, timeout_ms: 1000, allowed_hosts: null };
  return loadHandlers({ bundle, handlers, ...rest });
}

test("handlers have the places of their names, and one that is missing fails its calls", async () => {
  const source = "export const a = () => 'a'; export default { fetch: () => 'fetched' };";
  const { handlers, report } = await load("several", source, ["a", "gone", "default"]);
  const call = (index: number) => handlers[index]?.({} as never, {} as never);
  expect([call(0), call(2)]).toEqual(["a", "fetched"]);
  expect(() => call(1)).toThrow('exported as "gone"');
  expect(JSON.parse(report).exports).toContain("a");
});

test("a bundle without any of them is refused, unless it names others itself", async () => {
  expect(load("none", "export const a = 1;", ["b"])).rejects.toBeInstanceOf(LoadFailure);
  const named = "export const config = { handlers: [] }; export const b = () => 1;";
  expect(JSON.parse((await load("named", named, ["default"])).report).exports).toEqual(["b"]);
});

test("handlers whose names are no identifiers stand in the export handlers", async () => {
  const source = "export const handlers = { 'tasks.create': () => 'made' };";
  const { handlers, report } = await load("record", source, ["tasks.create"]);
  expect(handlers[0]?.({} as never, {} as never)).toBe("made");
  expect(JSON.parse(report).exports).toEqual(["tasks.create"]);
});
