// wrk: one run, parsed.

import { run } from "./process.ts";

export interface WrkRun {
  requests: number;
  rate: number;
  p50Us: number;
  p99Us: number;
  /** Answers that were no success, and broken connections. */
  errors: number;
}

export interface WrkOptions {
  url: string;
  headers: Record<string, string>;
  connections: number;
  seconds: number;
  /** Put before the command, as `taskset -c 0`. */
  prefix?: string[];
  /** A Lua file that says what to send. */
  script?: string;
}

const UNIT_US: Record<string, number> = { us: 1, ms: 1_000, s: 1_000_000, m: 60_000_000 };

export async function wrk(options: WrkOptions): Promise<WrkRun> {
  const { url, headers, connections, seconds, prefix = [], script } = options;
  const threads = Math.min(connections, 2);
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const command = ["wrk", `-t${threads}`, `-c${connections}`, `-d${seconds}s`, "--latency"];
  const scripted = script === undefined ? [] : ["-s", script];
  return parse(await run([...prefix, ...command, ...scripted, ...lines, url]));
}

export function parse(output: string): WrkRun {
  const sockets = output.match(/connect (\d+), read (\d+), write (\d+), timeout (\d+)/);
  const broken = (sockets?.slice(1) ?? []).reduce((sum, each) => sum + Number(each), 0);
  return {
    requests: number(output, /(\d+) requests in/),
    rate: number(output, /Requests\/sec:\s+([\d.]+)/),
    p50Us: time(output, "50%"),
    p99Us: time(output, "99%"),
    errors: Number(output.match(/Non-2xx or 3xx responses: (\d+)/)?.[1] ?? 0) + broken,
  };
}

function number(output: string, pattern: RegExp): number {
  const found = output.match(pattern)?.[1];
  if (found === undefined) throw new Error(`wrk printed something unexpected:\n${output}`);
  return Number(found);
}

function time(output: string, quantile: string): number {
  const value = number(output, new RegExp(`${quantile}\\s+([\\d.]+)[a-z]+`));
  const unit = output.match(new RegExp(`${quantile}\\s+[\\d.]+([a-z]+)`))?.[1] ?? "";
  return value * (UNIT_US[unit] ?? Number.NaN);
}
