// The second parameter of a handler: what it may want to know and do about its call besides the request.

import type { Call } from "./call.ts";

export class HandlerContext {
  readonly #call: Call;
  #params: Record<string, string> | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  /** Names the call in logs; the same as the header `X-Invocation-Id`. */
  get invocationId(): string {
    return this.#call.invocationId;
  }

  /** Parameters of the path as the handler's trigger has it, decoded; the rest of the path for `*` is under `*`. */
  get params(): Record<string, string> {
    this.#params ??= this.#call.head.params();
    return this.#params;
  }

  /** One header of the request by its name in lower case. `request.headers` makes all of them. */
  header(name: string): string | undefined {
    return this.#call.head.header(name);
  }

  /** Aborted when the caller goes away or the deadline passes; the same as `request.signal`. */
  get signal(): AbortSignal {
    return this.#call.signal;
  }

  /** Keeps the worker for work that goes on after the answer. Can be taken off the context. */
  get waitUntil(): (work: unknown) => void {
    return (work) => this.#call.waitUntil(work);
  }
}
