// Child processes are refused. The filter of system calls does that in the kernel; this says it in words, and does
// it alone where there is no such filter.

import childProcess from "node:child_process";

const STARTERS = ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync", "fork"];

export class ProcessRefused extends Error {
  readonly code = "ERR_PROCESS_REFUSED";

  constructor() {
    super("a function cannot start processes");
    this.name = "ProcessRefused";
  }
}

function refuse(): never {
  throw new ProcessRefused();
}

/** Before any bundle is imported, so that named imports see it too. */
export function refuseProcesses(): void {
  for (const name of STARTERS) Reflect.set(childProcess, name, refuse);
  // Not configurable, but writable.
  for (const name of ["spawn", "spawnSync", "$"]) Reflect.set(Bun, name, refuse);
}
