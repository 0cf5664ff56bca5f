// Event, EventTarget, AbortController, AbortSignal (DOM standard, without a tree to bubble in).

class Event {
  #type;
  #cancelable;
  #prevented = false;
  #stopped = false;
  #target = null;
  timeStamp = performance.now();
  constructor(type, init = {}) {
    this.#type = `${type}`;
    this.#cancelable = Boolean(init.cancelable);
  }
  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get currentTarget() {
    return this.#target;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get defaultPrevented() {
    return this.#prevented;
  }
  preventDefault() {
    if (this.#cancelable) this.#prevented = true;
  }
  stopPropagation() {}
  stopImmediatePropagation() {
    this.#stopped = true;
  }
  static {
    aim = (event, target) => {
      event.#target = target;
    };
    isStopped = (event) => event.#stopped;
  }
}
var aim;
var isStopped;

class CustomEvent extends Event {
  detail;
  constructor(type, init = {}) {
    super(type, init);
    this.detail = init.detail ?? null;
  }
}

class EventTarget {
  #listeners = new Map();
  addEventListener(type, callback, options) {
    if (callback === null || callback === undefined) return;
    const { once = false, signal } = typeof options === "object" && options !== null ? options : {};
    if (signal?.aborted) return;
    const list = this.#listeners.get(type) ?? [];
    if (list.some((known) => known.callback === callback)) return;
    this.#listeners.set(type, [...list, { callback, once }]);
    signal?.addEventListener("abort", () => this.removeEventListener(type, callback), { once: true });
  }
  removeEventListener(type, callback) {
    const list = this.#listeners.get(type) ?? [];
    this.#listeners.set(
      type,
      list.filter((known) => known.callback !== callback),
    );
  }
  dispatchEvent(event) {
    aim(event, this);
    const attribute = this[`on${event.type}`];
    if (typeof attribute === "function") runListener(attribute, this, event);
    for (const { callback, once } of this.#listeners.get(event.type) ?? []) {
      if (isStopped(event)) break;
      if (once) this.removeEventListener(event.type, callback);
      if (typeof callback === "function") runListener(callback, this, event);
      else runListener(callback.handleEvent, callback, event);
    }
    return !event.defaultPrevented;
  }
}

/** An error in a listener is reported and stops no other one. */
function runListener(callback, receiver, event) {
  try {
    Reflect.apply(callback, receiver, [event]);
  } catch (error) {
    uncaught(error);
  }
}

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  onabort = null;
  constructor(token) {
    super();
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
  }
  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  static abort(reason) {
    const signal = new AbortSignal(INTERNAL);
    abortSignal(signal, reason);
    return signal;
  }
  static timeout(ms) {
    const signal = new AbortSignal(INTERNAL);
    startTimer(() => abortSignal(signal, new DOMException("The operation timed out.", "TimeoutError")), ms, true);
    return signal;
  }
  static any(signals) {
    const joined = new AbortSignal(INTERNAL);
    const sources = [...signals];
    const first = sources.find((signal) => signal.aborted);
    if (first !== undefined) abortSignal(joined, first.reason);
    else
      for (const source of sources)
        source.addEventListener("abort", () => abortSignal(joined, source.reason), { once: true });
    return joined;
  }
  static {
    abortSignal = (signal, reason = new DOMException("The operation was aborted.", "AbortError")) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason;
      signal.dispatchEvent(new Event("abort"));
    };
  }
}
var abortSignal;

class AbortController {
  #signal = new AbortSignal(INTERNAL);
  get signal() {
    return this.#signal;
  }
  abort(reason) {
    abortSignal(this.#signal, reason);
  }
}
