/** A client for tests: keeps cookies as a browser does, and takes answers apart. */

export interface TestAnswer<T> {
  status: number;
  headers: Headers;
  /** The `data` of the answer. */
  data: T | undefined;
  error: { code: string; message: string; details?: unknown; trace_id: string } | undefined;
  /** The body as text. */
  text: string;
}

export interface TestRequestOptions {
  headers?: Record<string, string>;
  query?: Record<string, string | number | boolean>;
  /** JSON, but for a form, a text or bytes. */
  body?: unknown;
}

export interface TestClient {
  /** By name; may be set. */
  readonly cookies: Map<string, string>;
  request<T = unknown>(
    method: string,
    path: string,
    options?: TestRequestOptions,
  ): Promise<TestAnswer<T>>;
  get<T = unknown>(path: string, options?: TestRequestOptions): Promise<TestAnswer<T>>;
  post<T = unknown>(
    path: string,
    body?: unknown,
    options?: TestRequestOptions,
  ): Promise<TestAnswer<T>>;
  put<T = unknown>(
    path: string,
    body?: unknown,
    options?: TestRequestOptions,
  ): Promise<TestAnswer<T>>;
  patch<T = unknown>(
    path: string,
    body?: unknown,
    options?: TestRequestOptions,
  ): Promise<TestAnswer<T>>;
  delete<T = unknown>(path: string, options?: TestRequestOptions): Promise<TestAnswer<T>>;
}

export function createTestClient(url: string): TestClient {
  const cookies = new Map<string, string>();
  const request: TestClient["request"] = async <T>(
    method: string,
    path: string,
    options: TestRequestOptions = {},
  ) => {
    const address = new URL(path, url);
    for (const [name, value] of Object.entries(options.query ?? {}))
      address.searchParams.append(name, String(value));
    const { headers, body } = sent(options, cookies);
    const answer = await fetch(address, { method, headers, body, redirect: "manual" });
    keep(cookies, answer.headers);
    return taken<T>(answer);
  };
  return {
    cookies,
    request,
    get: (path, options) => request("GET", path, options),
    post: (path, body, options) => request("POST", path, { ...options, body }),
    put: (path, body, options) => request("PUT", path, { ...options, body }),
    patch: (path, body, options) => request("PATCH", path, { ...options, body }),
    delete: (path, options) => request("DELETE", path, options),
  };
}

function sent({ headers: given, body }: TestRequestOptions, cookies: Map<string, string>) {
  const headers = new Headers(given);
  if (cookies.size > 0)
    headers.set("cookie", [...cookies].map(([name, value]) => `${name}=${value}`).join("; "));
  if (body === undefined) return { headers, body: null };
  if (body instanceof FormData || body instanceof URLSearchParams) return { headers, body };
  if (typeof body === "string" || body instanceof Uint8Array)
    return { headers, body: body as string | Uint8Array<ArrayBuffer> };
  headers.set("content-type", "application/json");
  return { headers, body: JSON.stringify(body) };
}

function keep(cookies: Map<string, string>, headers: Headers): void {
  for (const line of headers.getSetCookie()) {
    const cookie = Bun.Cookie.parse(line);
    if (cookie.isExpired() || cookie.maxAge === 0) cookies.delete(cookie.name);
    else cookies.set(cookie.name, encodeURIComponent(cookie.value));
  }
}

async function taken<T>(answer: Response): Promise<TestAnswer<T>> {
  const text = await answer.text();
  const isJson = answer.headers.get("content-type")?.includes("json") && text !== "";
  const body = (isJson ? JSON.parse(text) : {}) as Pick<TestAnswer<T>, "data" | "error">;
  const { status, headers } = answer;
  return { status, headers, data: body.data, error: body.error, text };
}
