// Calls that leave the instance: `fetch` through the guard, and the channel to the server's own services.

/** Lets so many run at once; the others wait for their turn. */
class Turns {
  #free;
  #waiting = [];
  constructor(free) {
    this.#free = free;
  }
  async enter() {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((turn) => this.#waiting.push(turn));
  }
  leave() {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

const PORT_CALLS_MAX = 256;
let portTurns;
let fetchTurns;

function resetTurns(fetchesMax) {
  portTurns = new Turns(PORT_CALLS_MAX);
  fetchTurns = new Turns(fetchesMax);
}

/** Starts an operation whose outcome is an answer, or the text of an error; `signal` ends it. */
function answerOf(start, signal) {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancelOperation(id);
      reject(signal.reason);
    };
    const id = expect((outcome) => {
      signal?.removeEventListener("abort", onAbort);
      if (typeof outcome === "string") reject(new TypeError(outcome));
      else resolve(outcome);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      start(id);
    } catch (error) {
      pending.delete(id);
      signal?.removeEventListener("abort", onAbort);
      reject(error);
    }
  });
}

function responseOf([status, block, buffer, url, redirected]) {
  const bytes = new Uint8Array(buffer);
  const content = bytes.length === 0 ? null : bytes;
  return new Response(INTERNAL, { content, status, headers: headersFrom(block), url, redirected });
}

async function fetch(input, init) {
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  const body = bytesOfPart(await contentToSend(request));
  await fetchTurns.enter();
  try {
    signal.throwIfAborted();
    const start = (id) =>
      native.fetch(id, [request.method, request.url, headerBlock(request.headers), request.redirect], body);
    return responseOf(await answerOf(start, signal));
  } finally {
    fetchTurns.leave();
  }
}

async function contentToSend(request) {
  return hasBody(request) ? takeContent(request) : "";
}

const channel = {
  waitUntil() {
    throw unavailable("waitUntil");
  },
  /** A call in the shape of HTTP; the path starts with `/`. */
  async fetch(request) {
    const { method, path, headers, body, signal } = await portRequest(request);
    await portTurns.enter();
    try {
      signal?.throwIfAborted();
      const start = (id) => native.port(id, [method, path, headerBlock(headers)], body);
      return responseOf(await answerOf(start, signal));
    } finally {
      portTurns.leave();
    }
  },
};

async function portRequest(request) {
  if (request instanceof Request) {
    const { pathname, search } = new URL(request.url);
    const body = bytesOfPart(await contentToSend(request));
    return { method: request.method, path: pathname + search, headers: request.headers, body, signal: request.signal };
  }
  const { method = "GET", path, headers, body, signal } = request;
  const bytes = body === undefined || body === null ? new Uint8Array() : bytesOfPart(body);
  return { method, path, headers: new Headers(headers), body: bytes, signal };
}
