// Where a number was measured: it means nothing without this.

import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import type { Bench } from "./bench.ts";
import { run } from "./process.ts";

export async function machine(bench: Bench): Promise<Record<string, unknown>> {
  const disk = JSON.parse(await run([bench.load, "disk", bench.directory]));
  return {
    date: new Date().toISOString(),
    commit: await first(["git", "rev-parse", "--short", "HEAD"]),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    distribution: (await Bun.file("/etc/os-release").text()).match(/PRETTY_NAME="(.*)"/)?.[1],
    filesystem: await first(["findmnt", "-no", "FSTYPE,SOURCE", "-T", bench.directory]),
    fdatasync_4k_us: { p50: disk.p50_us, p99: disk.p99_us },
    load_average: loadavg()[0],
    versions: {
      bunbase: await first([bench.binary, "--version"]),
      bun: Bun.version,
      node: await first(["node", "--version"]),
      nginx: await first(["dpkg-query", "-W", "nginx"]),
      wrk: await first(["dpkg-query", "-W", "wrk"]),
      postgresql: await first(["dpkg-query", "-W", "postgresql-15"]),
    },
  };
}

/** The first line that the command prints, or why there is none. */
async function first(command: string[]): Promise<string> {
  const output = await run(command).catch((error: Error) => `unknown (${error.message})`);
  return (output.split("\n", 1)[0] ?? "").trim();
}
