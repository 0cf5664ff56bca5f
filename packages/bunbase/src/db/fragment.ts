/** Pieces of SQL: text with values between, so that a value never becomes text. */
import type { Dialect, SqlStatement } from "./executor.ts";

/** `texts` has one more element than `values`, which stand between them. */
export class Fragment {
  constructor(
    readonly texts: readonly string[],
    readonly values: readonly unknown[],
  ) {}

  render(dialect: Dialect): SqlStatement {
    const mark = dialect === "sqlite" ? "?" : "$";
    const sql = this.texts.reduce((done, text, index) => `${done}${mark}${index}${text}`);
    return { sql, params: this.values };
  }
}

/** A template whose values are bound, and whose fragments are put in. */
export function sql(strings: readonly string[], ...parts: readonly unknown[]): Fragment {
  const texts = [strings[0] ?? ""];
  const values: unknown[] = [];
  const append = (text: string) => texts.push((texts.pop() ?? "") + text);
  parts.forEach((part, index) => {
    if (part instanceof Fragment) {
      append(part.texts[0] ?? "");
      texts.push(...part.texts.slice(1));
      values.push(...part.values);
      append(strings[index + 1] ?? "");
    } else {
      values.push(part);
      texts.push(strings[index + 1] ?? "");
    }
  });
  return new Fragment(texts, values);
}

/** SQL text as it is: never for what comes from outside. */
export function raw(text: string): Fragment {
  return new Fragment([text], []);
}

export function join(parts: readonly Fragment[], separator: string): Fragment {
  const strings = parts.map((_, index) => (index === 0 ? "" : separator));
  return sql([...strings, ""], ...parts);
}

/** PostgreSQL cuts longer names off. */
const NAME_LENGTH_MAX = 63;
const NAME = /^[A-Za-z_][A-Za-z0-9_$]*$/;

/** A name of a table or column, checked and quoted; `schema.name` has each part quoted. */
export function ident(name: string): Fragment {
  return raw(name.split(".").map(quoted).join("."));
}

function quoted(part: string): string {
  if (!NAME.test(part) || part.length > NAME_LENGTH_MAX)
    throw new TypeError(`${JSON.stringify(part)} is no name of a table or column`);
  return `"${part}"`;
}
