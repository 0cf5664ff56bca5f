// Headers (Fetch standard). Towards Rust headers are one string, "name\nvalue\nname\nvalue": neither may hold "\n".

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a value may not hold
const NO_HEADER_VALUE = /[\0\r\n]|[^\0-\xff]/;
const HEADERS_MAX = 1000;

class Headers {
  #values = new Map();
  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== "object") throw new TypeError("Headers: an object or a list of pairs is needed");
    if (init instanceof Headers) {
      for (const [name, values] of init.#values) this.#values.set(name, [...values]);
    } else if (typeof init[Symbol.iterator] === "function") {
      for (const pair of init) {
        const [name, value, ...rest] = [...pair];
        if (value === undefined || rest.length > 0) throw new TypeError("Headers: each pair is a name and a value");
        this.append(name, value);
      }
    } else {
      for (const name of Reflect.ownKeys(init)) this.append(name, init[name]);
    }
  }
  append(name, value) {
    const [key, text] = [headerName(name), headerValue(value)];
    const known = this.#values.get(key);
    if (known !== undefined) known.push(text);
    else if (this.#values.size >= HEADERS_MAX) throw new RangeError(`there are ${HEADERS_MAX} headers already`);
    else this.#values.set(key, [text]);
  }
  delete(name) {
    this.#values.delete(headerName(name));
  }
  get(name) {
    return this.#values.get(headerName(name))?.join(", ") ?? null;
  }
  getSetCookie() {
    return [...(this.#values.get("set-cookie") ?? [])];
  }
  has(name) {
    return this.#values.has(headerName(name));
  }
  set(name, value) {
    this.#values.set(headerName(name), [headerValue(value)]);
  }
  forEach(callback, receiver) {
    for (const [name, value] of this) Reflect.apply(callback, receiver, [value, name, this]);
  }
  *entries() {
    for (const name of [...this.#values.keys()].sort()) {
      const values = this.#values.get(name) ?? [];
      if (name === "set-cookie") for (const value of values) yield [name, value];
      else yield [name, values.join(", ")];
    }
  }
  *keys() {
    for (const [name] of this) yield name;
  }
  *values() {
    for (const [, value] of this) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return "Headers";
  }
  static {
    headersFrom = (block) => {
      const headers = new Headers();
      const parts = block === "" ? [] : block.split("\n");
      for (let at = 0; at + 1 < parts.length; at += 2) {
        const known = headers.#values.get(parts[at]);
        if (known === undefined) headers.#values.set(parts[at], [parts[at + 1]]);
        else known.push(parts[at + 1]);
      }
      return headers;
    };
    headerBlock = (headers) => {
      let block = "";
      for (const [name, values] of headers.#values)
        for (const value of values) block += `${block === "" ? "" : "\n"}${name}\n${value}`;
      return block;
    };
  }
}
var headersFrom;
var headerBlock;

function headerName(name) {
  const text = `${name}`;
  if (!HEADER_NAME.test(text)) throw new TypeError(`Headers: "${text}" is no name of a header`);
  return text.toLowerCase();
}

function headerValue(value) {
  const text = `${value}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
  if (NO_HEADER_VALUE.test(text)) throw new TypeError("Headers: the value has characters that a header cannot carry");
  return text;
}
