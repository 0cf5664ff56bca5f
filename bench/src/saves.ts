// Part k: `bunbase dev`, and how long after a file was saved the next answer is of the new code: of a directory of functions,
// and of an application. Somebody asks all the time, and no answer may be a failure.

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, pick } from "./bench.ts";
import { quantile } from "./numbers.ts";
import { freePort, start, untilReady } from "./process.ts";
import type { Report, Row } from "./report.ts";

const ROOT = join(import.meta.dir, "../..");
/** Between two saves. */
const PAUSE_MS = 500;
/** Between two calls: what asks has to leave the processors to those who answer. */
const ASK_MS = 5;
const ANSWER_MS_MAX = 10_000;
const GOAL_MS = 100;

interface Place {
  title: string;
  directory: string;
  /** What is saved. */
  file: string;
  /** Where it answers, in what is printed. */
  address: RegExp;
  path: string;
  text(mark: string): string;
}

interface Saved {
  ms: number[];
  calls: number;
  failed: number;
}

export async function saves(bench: Bench): Promise<Report> {
  const rows: Row[] = [];
  const runs: Record<string, Saved> = {};
  const notes: string[] = [];
  for (const place of [plain(bench), application(bench)]) {
    const saved = await follow(bench, place);
    const at = (percent: number) => quantile(saved.ms, percent / 100);
    const of = `${place.title}, from a save to the next answer`;
    rows.push(
      {
        measurement: `${of}, p50`,
        unit: "ms",
        bunbase: at(50),
        goals: [{ of: "bunbase", most: GOAL_MS }],
      },
      { measurement: `${of}, p95`, unit: "ms", bunbase: at(95) },
    );
    notes.push(`${place.title}: ${saved.calls} calls meanwhile, ${saved.failed} failed`);
    runs[place.title] = saved;
  }
  return { part: "k", title: "Development: from a save to the next answer", rows, notes, runs };
}

function plain(bench: Bench): Place {
  const directory = join(bench.directory, "saves-functions");
  const file = join(directory, "functions/hello.ts");
  mkdirSync(join(directory, "functions"), { recursive: true });
  const text = (mark: string) => `export default () => new Response("${mark}");\n`;
  const address = /http:\S+\/invoke/;
  return { title: "a function", directory, file, address, path: "", text };
}

/** That of `examples/hello`, with the package of this repository. */
function application(bench: Bench): Place {
  const directory = join(bench.directory, "saves-application");
  cpSync(join(ROOT, "examples/hello"), directory, { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  const text = (mark: string) => `import { action, t, triggers } from "bunbase";

export default action(
  {
    name: "hello",
    input: t.Object({}),
    output: t.Object({ message: t.String() }),
    triggers: [triggers.api("GET", "/api/hello")],
  },
  async () => ({ message: "${mark}" }),
);
`;
  const file = join(directory, "src/hello.ts");
  const address = /(?<=ready on )http:\S+/;
  return { title: "an application", directory, file, address, path: "/api/hello", text };
}

async function follow(bench: Bench, place: Place): Promise<Saved> {
  writeFileSync(place.file, place.text("first"));
  const listen = `127.0.0.1:${freePort()}`;
  const log = join(bench.directory, `${place.path === "" ? "function" : "application"}-saves.log`);
  const server = start(
    "bunbase dev",
    [bench.binary, "functions", "dev", place.directory, "--listen", listen],
    { log, env: { BUNBASE_BUN_PATH: process.execPath } },
  );
  await untilReady(server, `http://${listen}/ready`);
  // What it prints at first is there.
  await Bun.sleep(PAUSE_MS);
  const url = `${(await Bun.file(log).text()).match(place.address)?.[0]}${place.path}`;
  const saved: Saved = { ms: [], calls: 0, failed: 0 };
  const saves = pick(bench, 40, 15);
  // The first ones only warm up.
  for (let number = -3; number < saves; number++) {
    const ms = await save(place, { url, mark: `save ${number}` }, saved);
    if (number >= 0) saved.ms.push(ms);
    await Bun.sleep(PAUSE_MS);
  }
  await server.stop();
  return saved;
}

/** Saves, and asks until the answer is of what was saved; gives the milliseconds. */
async function save(
  place: Place,
  { url, mark }: { url: string; mark: string },
  saved: Saved,
): Promise<number> {
  const since = performance.now();
  writeFileSync(place.file, place.text(mark));
  while (performance.now() - since < ANSWER_MS_MAX) {
    const answer = await fetch(url);
    const text = await answer.text();
    saved.calls++;
    if (!answer.ok) saved.failed++;
    if (text.includes(mark)) return performance.now() - since;
    await Bun.sleep(ASK_MS);
  }
  throw new Error(`${place.title} did not follow what was saved`);
}
