/** A real HTTP server on loopback that answers what a test tells it, and keeps what it was asked. */

export interface Asked {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Headers;
  body: unknown;
}

export type Answer = (asked: Asked, signal: AbortSignal) => Response | Promise<Response>;

export class WireServer {
  readonly asked: Asked[] = [];
  readonly #answers: Answer[] = [];
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => this.#serve(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** The next calls get these answers in turn; the last one stays. */
  answer(...answers: Answer[]): void {
    this.#answers.length = 0;
    this.asked.length = 0;
    this.#answers.push(...answers);
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  async #serve(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const text = await request.text();
    const asked: Asked = {
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    this.asked.push(asked);
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    return answer === undefined ? fail(404, "not_found")(asked) : answer(asked, request.signal);
  }
}

export function ok(body: unknown, init: ResponseInit = {}) {
  return () => Response.json(body, init);
}

export function fail(status: number, code: string, headers: Record<string, string> = {}) {
  return (asked: Asked) =>
    Response.json(
      {
        error: {
          code,
          message: `${code} said`,
          details: { path: asked.path },
          request_id: "req_1",
        },
      },
      { status, headers },
    );
}
