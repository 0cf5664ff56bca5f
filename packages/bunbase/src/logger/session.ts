/** The lines of one piece of work, kept beside being written: for a run, or for a test. */
import { type LogEntry, Logger, type LoggerOptions, writeLine } from "./logger.ts";

/** More lines are counted, not kept. */
export const SESSION_ENTRIES_MAX = 1_000;

export class LoggerSession extends Logger {
  /** The first lines, those of children too. */
  readonly entries: readonly LogEntry[];
  readonly #dropped: { count: number };

  constructor(options: LoggerOptions = {}) {
    const entries: LogEntry[] = [];
    const dropped = { count: 0 };
    const write = options.write ?? writeLine;
    super({
      ...options,
      write: (entry) => {
        if (entries.length < SESSION_ENTRIES_MAX) entries.push(entry);
        else dropped.count += 1;
        write(entry);
      },
    });
    this.entries = entries;
    this.#dropped = dropped;
  }

  /** How many lines came after the ones that are kept. */
  get dropped(): number {
    return this.#dropped.count;
  }
}
