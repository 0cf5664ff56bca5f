/** The frame around every function here: which method it takes, and how bad input is answered. */
import { BunbaseError } from "bunbase-js";
import { InvalidInput } from "./input.ts";
import type { Handler } from "./places.ts";

type Work = (request: Request) => Promise<Response>;

export function answer(method: "GET" | "POST", work: Work): Handler {
  return async (request) => {
    if (request.method !== method) {
      const message = `use ${method}`;
      return failure(405, { code: "method_not_allowed", message }, { allow: method });
    }
    try {
      return await work(request);
    } catch (error) {
      return rejection(error);
    }
  };
}

function rejection(error: unknown): Response {
  if (error instanceof InvalidInput) {
    const { message, fields } = error;
    return failure(400, { code: "invalid_input", message, details: { fields } });
  }
  if (error instanceof BunbaseError && error.code === "invalid_query") {
    return failure(400, { code: error.code, message: error.message });
  }
  throw error;
}

function failure(
  status: number,
  error: { code: string; message: string; details?: unknown },
  headers: Record<string, string> = {},
): Response {
  return Response.json({ error }, { status, headers });
}
