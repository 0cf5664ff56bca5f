// What a case is: what is sent, and the handler that answers it, in a function and in `Bun.serve`.

/** A request as bytes on a connection. */
export interface Sent {
  readonly method?: string;
  /** Behind the name of the case; `/` begins it, or `?`. */
  readonly tail?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Several parts are sent in chunks, without a length. */
  readonly body?: string | Uint8Array | readonly string[];
  /** The answer is a stream. `Bun.serve` knows the length of those that end at once; that is not compared. */
  readonly isStreamed?: boolean;
}

/** What of the answers has to be the same: all of them, or where each side has errors of its own, the status. */
export type Compared = "answer" | "status";

export interface Case {
  readonly sent: readonly Sent[];
  readonly compared: Compared;
  readonly handler: (request: Request) => unknown;
}

export type Cases = Readonly<Record<string, Case>>;

export function answers(handler: Case["handler"], ...sent: Sent[]): Case {
  return { handler, sent: sent.length > 0 ? sent : [{}], compared: "answer" };
}

export function streams(handler: Case["handler"], ...sent: Sent[]): Case {
  const all = sent.length > 0 ? sent : [{}];
  return answers(handler, ...all.map((each) => ({ ...each, isStreamed: true })));
}

export function fails(handler: Case["handler"]): Case {
  return { handler, sent: [{}], compared: "status" };
}

/** What is given, or what is thrown. */
export async function outcome(work: () => unknown): Promise<unknown> {
  try {
    return (await work()) ?? null;
  } catch (error) {
    const { name, message } = error as Error;
    return { thrown: error instanceof Error, name, message };
  }
}

/** Whether asking twice gives the same object. */
export function same(ask: () => unknown): boolean {
  const first = ask();
  return first === ask();
}

/** Headers that only one side has: of the platform, and of the connection. */
const NOT_COMPARED = new Set([
  "connection",
  "date",
  "keep-alive",
  "traceparent",
  "transfer-encoding",
  "x-bunbase-client-key",
  "x-invocation-id",
  "x-request-id",
]);

export function comparable(headers: Iterable<readonly [string, string]>): [string, string][] {
  return [...headers].flatMap(([name, value]) =>
    NOT_COMPARED.has(name) ? [] : [[name, value] as [string, string]],
  );
}

/** The last part of a request's path. */
export function lastPart(request: Request): string {
  return new URL(request.url).pathname.split("/").at(-1) ?? "";
}
