/** Fields of a log line as they may be written: without secrets, and no larger than a line should be. */

const HIDDEN = "[redacted]";
/** Deeper objects, and longer lists, are cut. */
const DEPTH_MAX = 6;
const ITEMS_MAX = 100;

const SECRET =
  /(password|passwordhash|passwd|passphrase|secret|token|authorization|cookie|apikey|privatekey|credential)s?$/;

/** Whether the value under `key` is a secret, whatever way the name is written. */
export function isSecret(key: string, more: ReadonlySet<string>): boolean {
  const name = normalized(key);
  return SECRET.test(name) || more.has(name);
}

export function normalized(key: string): string {
  return key.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/** A copy of `value` that has JSON, with secrets replaced. `more` are further names, normalized. */
export function redacted(value: unknown, more: ReadonlySet<string>, depth = 0): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  // A cycle ends here too.
  if (depth >= DEPTH_MAX) return "[too deep]";
  if (value instanceof Error) return redactedError(value, more, depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => redacted(item, more, depth + 1));
    return value.length > ITEMS_MAX ? [...items, `${value.length - ITEMS_MAX} more`] : items;
  }
  const entries = Object.entries(value).slice(0, ITEMS_MAX);
  return Object.fromEntries(
    entries.map(([key, inner]) => [
      key,
      isSecret(key, more) ? HIDDEN : redacted(inner, more, depth + 1),
    ]),
  );
}

function redactedError(error: Error, more: ReadonlySet<string>, depth: number): unknown {
  const { name, message, stack, cause } = error;
  const inner = cause === undefined ? {} : { cause: redacted(cause, more, depth + 1) };
  return { name, message, stack, ...inner };
}
