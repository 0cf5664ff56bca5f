// The part of a client that is the same for every application. As text, since it goes into the module that is written.

export const RUNTIME = `// Written by BunBase; changes are lost.

export interface ClientOptions {
  /** Where the application is: "https://app.example". */
  baseUrl: string;
  /** On every call, such as \`authorization\`. */
  headers?: Record<string, string> | (() => Record<string, string>);
  /** Whether cookies go along to other origins. */
  credentials?: "omit" | "same-origin" | "include";
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export interface CallOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** What an action answers with instead of its output. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** Stays the same, whatever the message says. */
  readonly code: string;
  readonly details: unknown;
  readonly traceId: string | undefined;

  constructor(status: number, error: { code?: string; message?: string; details?: unknown; trace_id?: string }) {
    super(error.message ?? \`the server answered \${status}\`);
    this.status = status;
    this.code = error.code ?? "unknown";
    this.details = error.details;
    this.traceId = error.trace_id;
  }
}

interface Route {
  method: string;
  path: string;
  fields: Record<string, { in: string; name: string }>;
  headers: Record<string, { name: string; type?: string }>;
}

function sender({ baseUrl, headers: common = {}, credentials, fetch: send = fetch }: ClientOptions) {
  return async <T>(route: Route, input: unknown, { headers: own, signal }: CallOptions = {}): Promise<T> => {
    const shared = typeof common === "function" ? common() : common;
    const { url, headers, body } = requestOf(route, input, { ...shared, ...own });
    const init: RequestInit = { method: route.method, headers, body };
    if (credentials !== undefined) init.credentials = credentials;
    if (signal !== undefined) init.signal = signal;
    const answer = await send(baseUrl.replace(/\\/$/, "") + url, init);
    return outputOf<T>(route, answer);
  };
}

function requestOf(route: Route, input: unknown, given: Record<string, string>) {
  const headers = new Headers(given);
  if (typeof input !== "object" || input === null || Array.isArray(input))
    return { url: route.path, headers, body: input === undefined ? null : json(headers, input) };
  const query = new URLSearchParams();
  const rest: Record<string, unknown> = {};
  let path = route.path;
  const isQuery = route.method === "GET" || route.method === "DELETE";
  for (const [field, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const inPath = path.split("/").includes(":" + field) ? "path" : isQuery ? "query" : "body";
    const place = route.fields[field] ?? { in: inPath, name: field };
    const values: unknown[] = Array.isArray(value) ? value : [value];
    if (place.in === "path") path = filled(path, place.name, String(value));
    else if (place.in === "query") for (const each of values) query.append(place.name, String(each));
    else if (place.in === "header") for (const each of values) headers.append(place.name, String(each));
    else if (place.in === "cookie") headers.append("cookie", place.name + "=" + encodeURIComponent(String(value)));
    else rest[field] = value;
  }
  const url = query.size > 0 ? path + "?" + query : path;
  return { url, headers, body: isQuery ? null : bodyOf(headers, rest) };
}

function filled(path: string, name: string, value: string): string {
  return path.split("/").map((part) => (part === ":" + name ? encodeURIComponent(value) : part)).join("/");
}

/** With a file in it, a form. */
function bodyOf(headers: Headers, fields: Record<string, unknown>): string | FormData {
  const all = Object.entries(fields).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each: unknown) => [name, each] as const),
  );
  if (!all.some(([, value]) => value instanceof Blob)) return json(headers, fields);
  const form = new FormData();
  for (const [name, value] of all)
    if (value instanceof Blob) form.append(name, value);
    else form.append(name, String(value));
  return form;
}

function json(headers: Headers, value: unknown): string {
  headers.set("content-type", "application/json");
  return JSON.stringify(value);
}

/** What is no JSON, such as a stream of events, is given as the \`Response\` that it is. */
async function outputOf<T>(route: Route, answer: Response): Promise<T> {
  const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
  if (!answer.ok) {
    const body = isJson ? ((await answer.json()) as { error?: object }) : {};
    throw new ApiError(answer.status, body.error ?? {});
  }
  if (!isJson) return (answer.status === 204 ? undefined : answer) as T;
  const { data } = (await answer.json()) as { data: T };
  for (const [field, { name, type }] of Object.entries(route.headers)) {
    const text = answer.headers.get(name);
    if (text === null) continue;
    const isNumber = type === "number" || type === "integer";
    const value = isNumber ? Number(text) : type === "boolean" ? text === "true" : text;
    Object.assign(data as object, { [field]: value });
  }
  return data;
}
`;
