// What the other files share. All files of this directory are joined into one module, in the order of prelude.rs;
// `native` is what Rust offers, see src/natives.

let native;
const INTERNAL = Symbol("internal");

/** A string that can be UTF-8: half surrogate pairs are replaced. */
function usv(value) {
  const text = `${value}`;
  return text.isWellFormed() ? text : text.toWellFormed();
}

function unavailable(what) {
  return new TypeError(`${what} is not available in the quickjs runtime; deploy the function with the runtime bun`);
}

function missing(name) {
  return class {
    constructor() {
      throw unavailable(name);
    }
  };
}

/** The bytes of a buffer or a view, without a copy; `undefined` for anything else. */
function viewOf(value) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return undefined;
}

function needView(value, where) {
  const view = viewOf(value);
  if (view === undefined) throw new TypeError(`${where}: an ArrayBuffer or a view of one is needed`);
  return view;
}

/** Operations that Rust runs for this instance, by number: what to do with the outcome. */
const pending = new Map();
let lastOperation = 0;

function expect(settle) {
  lastOperation += 1;
  pending.set(lastOperation, settle);
  return lastOperation;
}

function cancelOperation(id) {
  if (pending.delete(id)) native.cancel(id);
}
