// What a part found: the table on the terminal and the JSON file.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { show } from "./numbers.ts";

/** How a goal is judged: the value named, at least or at most. */
export interface Goal {
  of: "bunbase" | "ratio" | "difference";
  least?: number;
  most?: number;
}

export interface Row {
  measurement: string;
  unit: string;
  /** Medians over the runs. */
  bunbase: number;
  peer?: number;
  goals?: Goal[];
}

export interface Report {
  part: string;
  title: string;
  peer?: string;
  rows: Row[];
  notes: string[];
  /** Every run. */
  runs: unknown;
}

const HEAD = ["measurement", "unit", "BunBase", "peer", "ratio", "goal", "reached"];

/** Prints the table and writes `bench/results/<part>.json`. */
export function publish(report: Report, machine: Record<string, unknown>, length: string): void {
  console.log(`\n${report.title}${report.peer ? ` (peer: ${report.peer})` : ""}\n`);
  console.log(table([HEAD, ...report.rows.map(cells)]));
  for (const note of report.notes) console.log(`  ${note}`);
  const directory = join(import.meta.dir, "../results");
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${report.part}.json`);
  writeFileSync(file, `${JSON.stringify({ ...report, length, machine }, null, 2)}\n`);
}

/** Whether each goal of the row is reached. */
export function reached(row: Row): boolean[] {
  return (row.goals ?? []).map((goal) => {
    const value = judged(row, goal);
    return value >= (goal.least ?? -Infinity) && value <= (goal.most ?? Infinity);
  });
}

function judged(row: Row, goal: Goal): number {
  switch (goal.of) {
    case "bunbase":
      return row.bunbase;
    case "ratio":
      return row.bunbase / (row.peer ?? Number.NaN);
    case "difference":
      return row.bunbase - (row.peer ?? Number.NaN);
  }
}

function cells(row: Row): string[] {
  const { peer } = row;
  return [
    row.measurement,
    row.unit,
    show(row.bunbase),
    peer === undefined ? "" : show(peer),
    peer === undefined ? "" : `${(row.bunbase / peer).toFixed(2)}x`,
    (row.goals ?? []).map((goal) => goalText(row, goal)).join(", "),
    reached(row)
      .map((yes) => (yes ? "yes" : "NO"))
      .join(", "),
  ];
}

function goalText(row: Row, goal: Goal): string {
  const bound = goal.least === undefined ? `<= ${goal.most}` : `>= ${goal.least}`;
  switch (goal.of) {
    case "bunbase":
      return bound;
    case "ratio":
      return `${bound}x`;
    case "difference":
      return `peer + ${show(judged(row, goal))} ${bound}`;
  }
}

function table(rows: string[][]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) => {
    const padded = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `| ${padded.join(" | ")} |`;
  };
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line)].join("\n");
}
