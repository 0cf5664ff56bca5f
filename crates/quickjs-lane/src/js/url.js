// URL and URLSearchParams (URL standard). Rust parses, and changes parts.

const PARTS = ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash", "origin"];

class URLSearchParams {
  #pairs = [];
  #changed;
  constructor(init = "") {
    if (typeof init === "object" && init !== null) {
      if (typeof init[Symbol.iterator] === "function") {
        for (const pair of init) {
          const [name, value, ...rest] = [...pair];
          if (value === undefined || rest.length > 0)
            throw new TypeError("URLSearchParams: each pair is a name and a value");
          this.#pairs.push([usv(name), usv(value)]);
        }
      } else {
        for (const name of Object.keys(init)) this.#pairs.push([usv(name), usv(init[name])]);
      }
    } else {
      const text = usv(init);
      this.#pairs = pairsOf(text.startsWith("?") ? text.slice(1) : text);
    }
  }
  get size() {
    return this.#pairs.length;
  }
  append(name, value) {
    this.#pairs.push([usv(name), usv(value)]);
    this.#changed?.();
  }
  delete(name, value) {
    const keep = ([known, has]) => known !== `${name}` || (value !== undefined && has !== `${value}`);
    this.#pairs = this.#pairs.filter(keep);
    this.#changed?.();
  }
  get(name) {
    return this.#pairs.find(([known]) => known === `${name}`)?.[1] ?? null;
  }
  getAll(name) {
    return this.#pairs.filter(([known]) => known === `${name}`).map(([, value]) => value);
  }
  has(name, value) {
    return this.#pairs.some(([known, has]) => known === `${name}` && (value === undefined || has === `${value}`));
  }
  set(name, value) {
    const at = this.#pairs.findIndex(([known]) => known === `${name}`);
    if (at < 0) this.#pairs.push([usv(name), usv(value)]);
    else {
      this.#pairs[at][1] = usv(value);
      this.#pairs = this.#pairs.filter(([known], index) => index <= at || known !== `${name}`);
    }
    this.#changed?.();
  }
  sort() {
    this.#pairs.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
    this.#changed?.();
  }
  forEach(callback, receiver) {
    for (const [name, value] of this) Reflect.apply(callback, receiver, [value, name, this]);
  }
  toString() {
    return native.formQuery(this.#pairs.flat());
  }
  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }
  *keys() {
    for (const [name] of this.#pairs) yield name;
  }
  *values() {
    for (const [, value] of this.#pairs) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return "URLSearchParams";
  }
  static {
    bindParams = (params, search, changed) => {
      params.#pairs = pairsOf(search.slice(1));
      params.#changed = changed;
    };
  }
}
var bindParams;

function pairsOf(query) {
  const flat = query === "" ? [] : native.parseQuery(query);
  const pairs = [];
  for (let at = 0; at < flat.length; at += 2) pairs.push([flat[at], flat[at + 1]]);
  return pairs;
}

class URL {
  #parts;
  #params;
  constructor(input, base) {
    const parts = native.parseUrl(usv(input), base === undefined ? undefined : usv(base));
    if (parts === undefined) throw new TypeError(`Invalid URL: ${input}`);
    this.#parts = parts;
  }
  static canParse(input, base) {
    return native.parseUrl(usv(input), base === undefined ? undefined : usv(base)) !== undefined;
  }
  static parse(input, base) {
    return URL.canParse(input, base) ? new URL(input, base) : null;
  }
  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams();
      this.#bind();
    }
    return this.#params;
  }
  #bind() {
    if (this.#params === undefined) return;
    bindParams(this.#params, this.search, () => {
      this.#parts = native.changeUrl(this.href, "search", this.#params.toString()) ?? this.#parts;
    });
  }
  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
  get [Symbol.toStringTag]() {
    return "URL";
  }
  static {
    PARTS.forEach((part, at) => {
      const property = {
        configurable: true,
        enumerable: true,
        get() {
          return this.#parts[at];
        },
      };
      if (part !== "origin")
        property.set = function set(value) {
          const parts = native.changeUrl(this.href, part, usv(value));
          if (parts !== undefined) this.#parts = parts;
          else if (part === "href") throw new TypeError(`Invalid URL: ${value}`);
          if (part === "href" || part === "search") this.#bind();
        };
      Object.defineProperty(URL.prototype, part, property);
    });
  }
}
