// structuredClone (HTML standard): data, without transfer.

function structuredClone(value, options) {
  if (options?.transfer?.length > 0) throw unavailable("structuredClone with transfer");
  return cloned(value, new Map());
}

const BOXES = [Boolean, Number, String, BigInt];

function cloned(value, known) {
  if (typeof value === "function" || typeof value === "symbol")
    throw new DOMException(`${String(value)} could not be cloned.`, "DataCloneError");
  if (typeof value !== "object" || value === null) return value;
  if (known.has(value)) return known.get(value);
  const keep = (copy) => {
    known.set(value, copy);
    return copy;
  };
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (BOXES.some((box) => value instanceof box)) return keep(Object(value.valueOf()));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (value instanceof DataView) return keep(new DataView(value.buffer.slice(0), value.byteOffset, value.byteLength));
  if (ArrayBuffer.isView(value)) return keep(value.slice());
  if (value instanceof Blob) return keep(value.slice(0, value.size, value.type));
  if (value instanceof Map) {
    const copy = keep(new Map());
    for (const [key, item] of value) copy.set(cloned(key, known), cloned(item, known));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const item of value) copy.add(cloned(item, known));
    return copy;
  }
  if (value instanceof Error) return keep(clonedError(value, known));
  return clonedFields(value, keep(Array.isArray(value) ? new Array(value.length) : {}), known);
}

function clonedFields(value, copy, known) {
  for (const key of Object.keys(value)) copy[key] = cloned(value[key], known);
  return copy;
}

const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function clonedError(error, known) {
  const copy = new (ERRORS[error.name] ?? Error)(error.message);
  copy.stack = error.stack;
  if (Object.hasOwn(error, "cause")) copy.cause = cloned(error.cause, known);
  return copy;
}
