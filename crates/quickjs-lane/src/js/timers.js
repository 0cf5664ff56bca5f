// Timers. Rust counts the time; what is due is called here. A timer that is weak does not keep its instance busy.

const TIMERS_MAX = 1000;
const DELAY_MS_MAX = 2147483647;
const timers = new Set();

function startTimer(callback, ms, weak) {
  if (timers.size >= TIMERS_MAX) throw new RangeError(`there are ${TIMERS_MAX} timers already; clear some`);
  const delay = Number(ms);
  const bounded = delay >= 0 && delay <= DELAY_MS_MAX ? delay : 0;
  const id = expect(() => {
    timers.delete(id);
    callback();
  });
  timers.add(id);
  native.timer(id, bounded, weak);
  return id;
}

function setTimeout(callback, ms, ...parameters) {
  needFunction(callback, "setTimeout");
  return startTimer(() => Reflect.apply(callback, undefined, parameters), ms ?? 0, false);
}

const intervals = new Map();

function setInterval(callback, ms, ...parameters) {
  needFunction(callback, "setInterval");
  let first;
  const arm = () => {
    const id = startTimer(tick, ms ?? 0, false);
    first ??= id;
    intervals.set(first, id);
  };
  const tick = () => {
    arm();
    Reflect.apply(callback, undefined, parameters);
  };
  arm();
  return first;
}

function clearTimeout(id) {
  const current = intervals.get(id) ?? id;
  intervals.delete(id);
  if (timers.delete(current)) cancelOperation(current);
}

function queueMicrotask(callback) {
  needFunction(callback, "queueMicrotask");
  Promise.resolve().then(() => {
    try {
      callback();
    } catch (error) {
      uncaught(error);
    }
  });
}

function needFunction(value, where) {
  if (typeof value !== "function") throw new TypeError(`${where} needs a function`);
}

function forgetTimers() {
  timers.clear();
  intervals.clear();
}
