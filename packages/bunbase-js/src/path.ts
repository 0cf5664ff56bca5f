/** Paths of the API. A name stays one segment, whatever is in it. */
import { BunbaseError } from "./errors.ts";

export const DATABASE_PATH = "/v1/database";
export const BATCH_PATH = `${DATABASE_PATH}/batch`;
export const TRANSACTIONS_PATH = `${DATABASE_PATH}/transactions`;

/** `/` inside a name (nested collections) travels as `%2F`. */
export function collectionPath(name: string): string {
  return `${DATABASE_PATH}/collections/${segment(name)}`;
}

/** `path` is what stands behind the name, already percent-encoded, perhaps with a query. */
export function functionPath(name: string, path = ""): string {
  const base = `/v1/functions/${segment(name)}`;
  if (path === "" || path.startsWith("?")) return base + path;
  const full = `${base}/${path.replace(/^\//, "")}`;
  if (!new URL(full, "http://server").pathname.startsWith(`${base}/`)) throw invalid(path);
  return full;
}

/** `.` and `..` would be taken out of the path on the way, and name something else. */
export function segment(name: string): string {
  if (name === "" || name === "." || name === "..") throw invalid(name);
  return encodeURIComponent(name);
}

/** A name in which `/` separates segments, each of them encoded. */
export function slashPath(name: string): string {
  if (name === "" || name.split("/").some((part) => part === "." || part === "..")) {
    throw invalid(name);
  }
  return name.split("/").map(encodeURIComponent).join("/");
}

/** `?a=b`, or nothing where every value is undefined. */
export function queryString(values: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}

function invalid(name: string): BunbaseError {
  const message = `${JSON.stringify(name)} cannot stand in a path`;
  return new BunbaseError({ code: "invalid_name", status: 0, message });
}
