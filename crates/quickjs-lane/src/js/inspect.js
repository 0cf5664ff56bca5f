// Values as text, for the log: like `console.log` of Node and Bun, without colours.

const DEPTH_MAX = 4;
const ITEMS_MAX = 100;
const INSPECT_CHARACTERS_MAX = 16 * 1024;

function inspect(value, depth = 0, above = []) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "function") return `[${classOf(value)} ${value.name || "(anonymous)"}]`;
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  if (above.includes(value)) return "[Circular]";
  return inspectObject(value, depth, [...above, value]);
}

function classOf(value) {
  return Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false ? "class" : "Function:";
}

function inspectObject(value, depth, above) {
  if (value instanceof Error) return errorText(value, depth, above);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  const name = value.constructor?.name ?? "[Object: null prototype]";
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? "[Array]" : `[${name}]`;
  const inner = (item) => inspect(item, depth + 1, above);
  if (Array.isArray(value)) return wrapped("", "[", limited(value, inner), "]");
  if (viewOf(value) !== undefined) return wrapped(`${name}(${value.byteLength}) `, "[", limited(viewOf(value), inner), "]");
  if (value instanceof Map)
    return wrapped(`Map(${value.size}) `, "{", limited(value, ([key, item]) => `${inner(key)} => ${inner(item)}`), "}");
  if (value instanceof Set) return wrapped(`Set(${value.size}) `, "{", limited(value, inner), "}");
  if (value instanceof Promise) return "Promise {}";
  if (value instanceof URL) return value.href;
  if (value instanceof Headers || value instanceof URLSearchParams)
    return wrapped(`${name} `, "{", limited(value, ([key, item]) => `${key}: ${inner(item)}`), "}");
  if (value instanceof Request) return `Request { ${value.method} ${value.url} }`;
  if (value instanceof Response) return `Response { ${value.status} }`;
  const entry = (key) => `${typeof key === "symbol" ? `[${String(key)}]` : key}: ${inner(value[key])}`;
  return wrapped(name === "Object" ? "" : `${name} `, "{", limited(Object.keys(value), entry), "}");
}

function limited(items, text) {
  const texts = [];
  for (const item of items) {
    if (texts.length >= ITEMS_MAX) return [...texts, "…"];
    texts.push(text(item));
  }
  return texts;
}

function wrapped(prefix, open, texts, close) {
  const space = open === "{" && texts.length > 0 ? " " : "";
  return `${prefix}${open}${space}${texts.join(", ")}${space}${close}`;
}

/** Name, message, stack and cause of an error. */
function errorText(error, depth = 0, above = [error]) {
  const head = `${error.name}: ${error.message}`;
  const stack = typeof error.stack === "string" ? error.stack.trimEnd() : "";
  const text = stack === "" || stack.startsWith(head) ? stack || head : `${head}\n${stack}`;
  const own = Object.keys(error).filter((key) => key !== "stack" && key !== "message");
  const fields = own.map((key) => `${key}: ${inspect(error[key], depth + 1, above)}`);
  const cause = Object.hasOwn(error, "cause") ? `\ncaused by ${inspect(error.cause, depth + 1, above)}` : "";
  return text + (fields.length > 0 && depth < DEPTH_MAX ? ` { ${fields.join(", ")} }` : "") + cause;
}

/** The parameters of a `console` method as one text, with the placeholders of the console standard. */
function format(parameters) {
  if (parameters.length === 1 && typeof parameters[0] === "string") return parameters[0];
  const rest = [...parameters];
  const parts = [];
  if (typeof rest[0] === "string" && rest[0].includes("%")) {
    const template = rest.shift();
    parts.push(template.replace(/%[sdifjoOc%]/g, (found) => placeholder(found, rest)));
  }
  const text = [...parts, ...rest.map((value) => inspect(value))].join(" ");
  return text.length > INSPECT_CHARACTERS_MAX ? text.slice(0, INSPECT_CHARACTERS_MAX) : text;
}

function placeholder(found, rest) {
  if (found === "%%") return "%";
  if (rest.length === 0) return found;
  const value = rest.shift();
  switch (found) {
    case "%d":
      return String(Number(value));
    case "%i":
      return String(Number.parseInt(value, 10));
    case "%f":
      return String(Number.parseFloat(value));
    case "%j":
      return JSON.stringify(value);
    case "%c":
      return "";
    case "%s":
      return typeof value === "string" ? value : inspect(value, DEPTH_MAX - 1);
    default:
      return inspect(value, 1);
  }
}
