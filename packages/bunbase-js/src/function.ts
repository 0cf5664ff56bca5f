/**
 * `import { bunbase } from "bunbase-js/function"`: the project's own client inside a deployed
 * function. It needs no address and no key: calls travel over the channel that the worker has to
 * the server already, with the rights of a secret key.
 */
import { type BunbaseClient, clientOver } from "./client.ts";
import { BunbaseError } from "./errors.ts";
import type { WireRequest } from "./transport.ts";

/** What the worker puts at `globalThis[Symbol.for("bunbase.channel")]`. */
export interface FunctionChannel {
  fetch(request: WireRequest): Promise<Response>;
}

const CHANNEL = Symbol.for("bunbase.channel");

export const bunbase: BunbaseClient = clientOver(async (request) => channel().fetch(request));

function channel(): FunctionChannel {
  const found = (globalThis as { [CHANNEL]?: FunctionChannel })[CHANNEL];
  if (found !== undefined) return found;
  throw new BunbaseError({
    code: "outside_function",
    status: 0,
    message:
      "bunbase-js/function works only inside a deployed function; " +
      'elsewhere use createClient(url, key) from "bunbase-js"',
  });
}
