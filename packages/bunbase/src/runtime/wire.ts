// What crosses between the server and an action besides the request itself.

/** The header `x-bunbase-context`, which only the server sets. */
export interface WireContext {
  trigger: "api" | "event" | "cron" | "queue" | "tool" | "webhook" | "call";
  /** Which trigger of the action; -1 for a call. */
  index: number;
  trace_id: string;
  invocation_id: string;
  request_id?: string;
  auth: WireAuth | null;
  org: WireOrg | null;
  /** How many guards of the list are decided. */
  guards: number;
  /** The input, where it does not stand in the body. */
  input?: unknown;
  /** What stands beside a form: in the path, the query, headers and cookies. */
  fields?: Record<string, unknown>;
  /** `json`: the body is the input. `raw`: the body is as it came. */
  body?: "json" | "raw";
  /** Whether the input was checked, and has its defaults. */
  checked?: boolean;
  attempt?: number;
  job?: { id: string; queue: string; attempt: number; maxAttempts: number };
  event?: { id: string; topic: string };
  ip?: string;
}

export interface WireAuth {
  userId?: string;
  sessionId?: string;
  orgId?: string;
  role?: string;
  permissions?: string[];
  kind?: "session" | "api_key" | "bearer" | "tenant";
  /** Of an API key. */
  keyId?: string;
  /** What the key is limited to. */
  scopes?: string[];
}

export interface WireOrg {
  id: string;
  slug: string;
  name: string;
  plan: string;
  features: readonly string[];
  memberCount: number;
  role: string;
}

export const CONTEXT_HEADER = "x-bunbase-context";
/** In answers, for the server alone: what becomes of the session. */
export const SESSION_HEADER = "x-bunbase-session";

interface Channel {
  fetch(request: {
    method: string;
    path: string;
    headers?: Record<string, string>;
    body?: string;
  }): Promise<Response>;
}

/** Asks the server over the worker's channel. */
export async function ask(path: string, body: unknown): Promise<Response> {
  const channel = (globalThis as Record<symbol, unknown>)[Symbol.for("bunbase.channel")] as
    | Channel
    | undefined;
  if (channel === undefined) throw new Error("this works only in a running application");
  return channel.fetch({
    method: "POST",
    path,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
