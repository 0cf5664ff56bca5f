// Stops code that computes without a pause. What runs inside of a guard is ended by the engine when its time is
// over; `catch` and `finally` of the stopped code do not run, everything else in the process goes on.

import { Script } from "node:vm";

const ENTRY = "__bunbaseGuarded";

export class Guard {
  readonly #script: Script;
  readonly #options: { timeout: number } = { timeout: 0 };

  constructor(work: () => void) {
    // The engine's time limit belongs to scripts, so that is how the work is entered. It costs 1 µs.
    Object.defineProperty(globalThis, ENTRY, { value: work });
    this.#script = new Script(`${ENTRY}()`);
  }

  /** From now on work may compute for so long in one piece. */
  limit(timeoutMs: number): void {
    this.#options.timeout = timeoutMs;
  }

  /** Runs the work; `false` where it was stopped. Before there is a limit, nothing is. */
  run(): boolean {
    try {
      if (this.#options.timeout === 0) this.#script.runInThisContext();
      else this.#script.runInThisContext(this.#options);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      return false;
    }
  }
}
