// HTTP/1.1 by hand: what is sent is exactly what the case says, and nothing of what comes back is made nicer.

import type { Sent } from "./case.ts";

export interface Received {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** The body came to its end. */
  readonly complete: boolean;
}

const PATIENCE_MS = 10_000;
const BREAK = "\r\n";
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** Sends one request on a connection of its own, and reads until the answer, the connection or the patience is over. */
export async function exchange(url: URL, sent: Sent, gone?: AbortSignal): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  const method = sent.method ?? "GET";
  let bytes = Buffer.alloc(0);
  let waiting = requestBytes(url, method, sent);
  const write = (socket: Bun.Socket) => {
    waiting = waiting.subarray(socket.write(waiting));
  };
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open: write,
      drain: write,
      data(_, chunk) {
        bytes = Buffer.concat([bytes, chunk]);
        const received = responseOf(bytes, method, false);
        if (received?.complete) resolve(received);
      },
      close() {
        const received = responseOf(bytes, method, true);
        if (received === undefined)
          reject(new Error("the connection was closed without an answer"));
        else resolve(received);
      },
    },
  });
  const timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS} ms`)), PATIENCE_MS);
  gone?.addEventListener("abort", () => socket.terminate());
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.terminate();
  }
}

function requestBytes(url: URL, method: string, { headers = [], body, tail = "" }: Sent): Buffer {
  const target = url.pathname.replace(/\/$/, "") + tail;
  const lines = [`${method} ${target} HTTP/1.1`, "Host: conformance.example", "Connection: close"];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const whole =
    typeof body === "string" || body instanceof Uint8Array ? Buffer.from(body) : undefined;
  if (whole !== undefined) lines.push(`Content-Length: ${whole.length}`);
  else if (body !== undefined) lines.push("Transfer-Encoding: chunked");
  else if (method !== "GET" && method !== "HEAD") lines.push("Content-Length: 0");
  const head = Buffer.from(lines.join(BREAK) + BREAK + BREAK, "latin1");
  if (whole !== undefined) return Buffer.concat([head, whole]);
  const chunks = ((body ?? []) as readonly string[]).map((part) => {
    const size = Buffer.byteLength(part).toString(16);
    return Buffer.from(size + BREAK + part + BREAK);
  });
  return Buffer.concat([head, ...chunks, ...(body === undefined ? [] : [LAST_CHUNK])]);
}

function responseOf(bytes: Buffer, method: string, closed: boolean): Received | undefined {
  const end = bytes.indexOf(BREAK + BREAK);
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.latin1Slice(0, end).split(BREAK);
  const status = Number(first.split(" ")[1]);
  const rest = bytes.subarray(end + 4);
  if (status === 100) return responseOf(rest, method, closed);
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const of = (wanted: string) => headers.find(([name]) => name === wanted)?.[1];
  const head = { status, headers };
  if (method === "HEAD" || status === 204 || status === 304)
    return { ...head, body: rest, complete: true };
  if (of("transfer-encoding") === "chunked") return { ...head, ...unchunked(rest) };
  const length = of("content-length");
  const complete = length === undefined ? closed : rest.length >= Number(length);
  return { ...head, body: rest, complete };
}

function unchunked(bytes: Buffer): { body: Buffer; complete: boolean } {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const line = bytes.indexOf(BREAK, at);
    if (line < 0) return { body: Buffer.concat(parts), complete: false };
    const size = Number.parseInt(bytes.latin1Slice(at, line), 16);
    if (size === 0) return { body: Buffer.concat(parts), complete: true };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
