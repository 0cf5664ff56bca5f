// What docs/framework says: its TypeScript compiles, and it leaves nothing out that applications use.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as bunbase from "../src/index.ts";
import { guards, triggers, webhooks } from "../src/index.ts";
import * as testing from "../src/test.ts";
import { compile } from "./compile.ts";

const DOCS = fileURLToPath(new URL("../../../docs/framework/", import.meta.url));
const SOURCE = fileURLToPath(new URL("../src/", import.meta.url));
/** Blocks that say that they cannot stand alone. */
const FRAGMENTS_MAX = 4;

const pages = new Map(
  readdirSync(DOCS)
    .filter((name) => name.endsWith(".md"))
    .map((name) => [name, readFileSync(`${DOCS}${name}`, "utf8")] as const),
);

interface Block {
  /** Of the first line, from 1 on. */
  line: number;
  info: string;
  code: string;
}

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(ts.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: page.slice(0, match.index).split("\n").length + 1,
    info: match[1] ?? "",
    code: match[2] ?? "",
  }));
}

const EVERYTHING = `import { ${Object.keys(bunbase).join(", ")}, type ActionContext } from "bunbase";`;

/** Without an import it has every name of `bunbase`; without an export, too, it is what a handler does. */
function completed(code: string): string {
  if (/^import /m.test(code)) return `${code}\nexport {};\n`;
  if (/^export /m.test(code)) return `${EVERYTHING}\n${code}`;
  return `${EVERYTHING}\nexport async function handler(ctx: ActionContext): Promise<void> {\n${code}\n}\n`;
}

/** `// src/hello.ts` in its first line is where a block lies for the others of its page. */
function pathOf(page: string, { line, code }: Block): string {
  const named = /^\/\/ ([\w./-]+\.ts)\b/.exec(code)?.[1];
  return `${page.replace(".md", "")}/${named ?? `line-${line}.ts`}`;
}

test("every TypeScript block compiles", async () => {
  const files: Record<string, string> = {};
  let fragments = 0;
  // Of the project's README, what is about this package.
  for (const block of blocksOf(readFileSync(`${DOCS}../../README.md`, "utf8")))
    if (block.code.includes('from "bunbase"')) files[pathOf("project", block)] = block.code;
  for (const [page, text] of pages) {
    for (const block of blocksOf(text)) {
      if (block.info === "ts fragment") fragments += 1;
      else {
        const path = pathOf(page, block);
        expect(files[path], `${path} is there twice`).toBeUndefined();
        files[path] = completed(block.code);
      }
    }
  }
  expect(fragments).toBeLessThanOrEqual(FRAGMENTS_MAX);
  const isLoose = { noUnusedLocals: false, noUnusedParameters: false };
  expect(await compile(files, isLoose)).toBe("");
}, 120_000);

/** Names of the fields of an interface, as its source has them. */
function fieldsOf(file: string, name: string): string[] {
  const source = readFileSync(`${SOURCE}${file}`, "utf8");
  const [, body = ""] =
    new RegExp(`export interface ${name}\\b[^{]*{\\n([\\s\\S]*?)^}`, "m").exec(source) ?? [];
  const fields = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?]?[:(<]/gm)].map(
    (match) => match[1] ?? "",
  );
  expect(fields.length, `${name} of ${file}`).toBeGreaterThan(0);
  return fields;
}

/** Which of `names` the page does not show as `pattern` says. */
function missing(
  page: string,
  names: readonly string[],
  pattern: (name: string) => RegExp,
): string[] {
  const text = pages.get(page) ?? "";
  return names.filter((name) => !pattern(name).test(text));
}

describe("nothing is left out:", () => {
  test("triggers, their options and the verifiers of webhooks", () => {
    const call = (name: string) => new RegExp(`triggers\\.${name}\\(`);
    expect(missing("triggers.md", Object.keys(triggers), call)).toEqual([]);
    const verifier = (name: string) => new RegExp(`webhooks\\.${name}\\(`);
    expect(missing("triggers.md", Object.keys(webhooks), verifier)).toEqual([]);
    const options = ["CronOptions", "QueueOptions", "ToolOptions", "WebhookOptions", "Retries"];
    const names = options.flatMap((name) => fieldsOf("triggers.ts", name));
    expect(missing("triggers.md", [...names, "filter"], quoted)).toEqual([]);
  });

  test("guards", () => {
    const call = (name: string) => new RegExp(`guards\\.${name}\\(`);
    expect(missing("guards.md", Object.keys(guards), call)).toEqual([]);
    expect(missing("guards.md", fieldsOf("guards.ts", "RateLimitOptions"), quoted)).toEqual([]);
  });

  test("fields of `ctx`, and what is in them", () => {
    const field = (name: string) => new RegExp(`ctx\\.${name}\\b`);
    expect(missing("context.md", fieldsOf("types.ts", "ActionContext"), field)).toEqual([]);
    const parts = { kv: "KVStore", storage: "StorageAPI", queue: "QueueAPI" };
    for (const [name, type] of Object.entries(parts)) {
      const call = (method: string) => new RegExp(`ctx\\.${name}\\.${method}\\(|\`${method}\``);
      expect(missing("context.md", fieldsOf("types.ts", type), call)).toEqual([]);
    }
    expect(missing("context.md", fieldsOf("types.ts", "PushOptions"), quoted)).toEqual([]);
    expect(missing("context.md", fieldsOf("types.ts", "OrgContext"), quoted)).toEqual([]);
  });

  test("keys of the configuration", () => {
    const keys = fieldsOf("config.ts", "BunbaseConfig");
    const key = (name: string) => new RegExp(`\`${name}[\`.]`);
    expect(missing("configuration.md", keys, key)).toEqual([]);
  });

  test("keys of an action and of a module", () => {
    const keys = ["ActionConfig", "ModuleConfig", "RetryConfig"];
    const names = keys.flatMap((name) => fieldsOf("action.ts", name));
    expect(missing("README.md", names, quoted)).toEqual([]);
  });

  test("helpers of tests", () => {
    expect(missing("testing.md", Object.keys(testing), (name) => new RegExp(`${name}\\(`))).toEqual(
      [],
    );
  });

  test("names that `bunbase` exports", () => {
    const text = [...pages.values()].join("\n");
    const unnamed = Object.keys(bunbase).filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
    expect(unnamed).toEqual([]);
  });
});

function quoted(name: string): RegExp {
  return new RegExp(`[\`{ (]${name}[\`?:,]`);
}
