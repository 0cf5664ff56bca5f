/** How far a long piece of work is: a bar on a terminal, else a line every second. */

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
const LINE_MS = 1000;

export interface Output {
  isTTY?: boolean;
  write(text: string): unknown;
}

export class Progress {
  readonly #what: string;
  readonly #output: Output;
  readonly #nowMs: () => number;
  #total = 0;
  #done = 0;
  #startedMs = 0;
  #shownMs = 0;
  #shown = 0;

  constructor(
    what: string,
    output: Output = process.stderr,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#what = what;
    this.#output = output;
    this.#nowMs = nowMs;
  }

  start(total: number): void {
    this.#total = total;
    this.#done = 0;
    this.#startedMs = this.#nowMs();
    this.#shownMs = this.#startedMs;
  }

  advance(count: number): void {
    this.#done += count;
    const everyMs = this.#output.isTTY ? REDRAW_MS : LINE_MS;
    if (this.#nowMs() - this.#shownMs >= everyMs) this.#show();
  }

  finish(): void {
    if (this.#shown !== this.#done || this.#done === 0) this.#show();
    if (this.#output.isTTY) this.#output.write("\n");
  }

  #show(): void {
    this.#shownMs = this.#nowMs();
    this.#shown = this.#done;
    const seconds = Math.max(0.001, (this.#shownMs - this.#startedMs) / 1000);
    const rate = Math.round(this.#done / seconds);
    const share = this.#total === 0 ? 1 : this.#done / this.#total;
    const counts = `${format(this.#done)} of ${format(this.#total)} ${this.#what}, ${format(rate)}/s`;
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    if (!this.#output.isTTY) return void this.#output.write(`${percent}  ${counts}\n`);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
    this.#output.write(`\r${bar} ${percent}  ${counts}\u001b[K`);
  }
}

function format(count: number): string {
  return count.toLocaleString("en");
}
