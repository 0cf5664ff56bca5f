/** Reads what a caller sent, field by field, and says for every field at once what is wrong. */

/** Thrown by the checks below; `answer` turns it into a 400. */
export class InvalidInput extends Error {
  readonly fields: Record<string, string>;

  constructor(fields: Record<string, string>) {
    super(`invalid: ${Object.keys(fields).join(", ")}`);
    this.fields = fields;
  }
}

export class Input {
  readonly #values: Record<string, unknown>;
  readonly #wrong: Record<string, string> = {};

  constructor(values: Record<string, unknown>) {
    this.#values = values;
  }

  static ofQuery(request: Request): Input {
    return new Input(Object.fromEntries(new URL(request.url).searchParams));
  }

  static async ofBody(request: Request): Promise<Input> {
    const body: unknown = await request.json().catch(() => undefined);
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new InvalidInput({ body: "has to be a JSON object" });
    }
    return new Input(body as Record<string, unknown>);
  }

  /** A number from `min` to `max`; `fallback` where it is absent, an error where there is none. */
  number(name: string, range: { min: number; max: number; fallback?: number }): number {
    const value = this.#values[name];
    if (value === undefined && range.fallback !== undefined) return range.fallback;
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number === "number" && number >= range.min && number <= range.max) return number;
    return this.#reject(name, `has to be a number from ${range.min} to ${range.max}`, range.min);
  }

  integer(name: string, range: { min: number; max: number; fallback?: number }): number {
    const number = this.number(name, range);
    if (Number.isInteger(number)) return number;
    return this.#reject(name, "has to be a whole number", range.min);
  }

  text(name: string, length: { max: number }): string {
    const text = this.optionalText(name, length);
    return text ?? this.#reject(name, "is needed", "");
  }

  optionalText(name: string, length: { max: number }): string | undefined {
    const value = this.#values[name];
    if (value === undefined) return undefined;
    if (typeof value === "string" && value.trim() !== "" && value.length <= length.max) {
      return value.trim();
    }
    return this.#reject(name, `has to be text of 1 to ${length.max} characters`, "");
  }

  /** Throws where a field was wrong. To be called before the values are used. */
  check(): void {
    if (Object.keys(this.#wrong).length > 0) throw new InvalidInput(this.#wrong);
  }

  #reject<V>(name: string, reason: string, standIn: V): V {
    this.#wrong[name] ??= reason;
    return standIn;
  }
}
