const after = (ms) => new Promise((next) => setTimeout(next, ms));
claim("a timer fires with its parameters", async () => (await new Promise((next) => setTimeout((a, b) => next(a + b), 1, 2, 3))) === 5);
claim("timers fire in the order of their time", async () => {
  const order = [];
  setTimeout(() => order.push("b"), 20);
  setTimeout(() => order.push("a"), 1);
  await after(60);
  return same(order, ["a", "b"]);
});
claim("timers of the same time fire in their order", async () => {
  const order = [];
  for (let i = 0; i < 10; i++) setTimeout(() => order.push(i), 5);
  await after(40);
  return same(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
claim("a cleared timer does not fire", async () => {
  let fired = false;
  clearTimeout(setTimeout(() => (fired = true), 1));
  await after(20);
  return !fired;
});
claim("an interval fires until it is cleared", async () => {
  let count = 0;
  const id = setInterval(() => { count += 1; if (count === 3) clearInterval(id); }, 1);
  await after(60);
  return count === 3;
});
claim("clearing nothing does nothing", () => { clearTimeout(undefined); clearTimeout(12345); return true; });
claim("a timer needs a function", () => throws(() => setTimeout("code"), TypeError));
claim("microtasks come before timers", async () => {
  const order = [];
  setTimeout(() => order.push("timer"), 0);
  queueMicrotask(() => order.push("micro"));
  await after(20);
  return same(order, ["micro", "timer"]);
});
claim("there are only so many timers", () => {
  const ids = [];
  const many = throws(() => { for (let i = 0; i < 1001; i++) ids.push(setTimeout(() => {}, 60000)); }, RangeError);
  ids.forEach(clearTimeout);
  return many;
});
claim("performance counts on", async () => { const began = performance.now(); await after(10); return performance.now() - began >= 9; });
claim("a controller aborts its signal", () => {
  const controller = new AbortController();
  const before = controller.signal.aborted;
  controller.abort();
  return !before && controller.signal.aborted && controller.signal.reason.name === "AbortError" && controller.signal.reason instanceof DOMException;
});
claim("a reason is kept", () => { const controller = new AbortController(); controller.abort("why"); controller.abort("again"); return controller.signal.reason === "why"; });
claim("abort tells listeners once", () => {
  const controller = new AbortController();
  let told = 0;
  controller.signal.addEventListener("abort", () => { told += 1; });
  controller.signal.onabort = () => { told += 10; };
  controller.abort();
  controller.abort();
  return told === 11;
});
claim("throwIfAborted throws the reason", () => throws(() => AbortSignal.abort(new RangeError("x")).throwIfAborted(), RangeError));
claim("AbortSignal.timeout times out", async () => {
  const signal = AbortSignal.timeout(5);
  await after(30);
  return signal.aborted && signal.reason.name === "TimeoutError";
});
claim("AbortSignal.any follows the first", () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const joined = AbortSignal.any([first.signal, second.signal]);
  second.abort("two");
  return joined.aborted && joined.reason === "two" && AbortSignal.any([AbortSignal.abort("one")]).reason === "one";
});
claim("a signal cannot be made", () => throws(() => new AbortSignal(), TypeError));
claim("targets tell listeners in order", () => {
  const target = new EventTarget();
  const order = [];
  target.addEventListener("x", () => order.push(1));
  target.addEventListener("x", { handleEvent: (event) => order.push(event.type) });
  target.dispatchEvent(new Event("x"));
  return same(order, [1, "x"]);
});
claim("a listener is added once, and removed", () => {
  const target = new EventTarget();
  let told = 0;
  const listener = () => { told += 1; };
  target.addEventListener("x", listener);
  target.addEventListener("x", listener);
  target.dispatchEvent(new Event("x"));
  target.removeEventListener("x", listener);
  target.dispatchEvent(new Event("x"));
  return told === 1;
});
claim("once is once", () => {
  const target = new EventTarget();
  let told = 0;
  target.addEventListener("x", () => { told += 1; }, { once: true });
  target.dispatchEvent(new Event("x"));
  target.dispatchEvent(new Event("x"));
  return told === 1;
});
claim("a signal removes a listener", () => {
  const target = new EventTarget();
  const controller = new AbortController();
  let told = 0;
  target.addEventListener("x", () => { told += 1; }, { signal: controller.signal });
  controller.abort();
  target.dispatchEvent(new Event("x"));
  return told === 0;
});
claim("preventDefault shows in dispatchEvent", () => {
  const target = new EventTarget();
  target.addEventListener("x", (event) => event.preventDefault());
  return target.dispatchEvent(new Event("x", { cancelable: true })) === false && target.dispatchEvent(new Event("x")) === true;
});
claim("stopImmediatePropagation stops", () => {
  const target = new EventTarget();
  let told = 0;
  target.addEventListener("x", (event) => event.stopImmediatePropagation());
  target.addEventListener("x", () => { told += 1; });
  target.dispatchEvent(new Event("x"));
  return told === 0;
});
claim("an event knows its target", () => {
  const target = new EventTarget();
  let seen;
  target.addEventListener("x", (event) => { seen = event.target; });
  target.dispatchEvent(new Event("x"));
  return seen === target;
});
claim("a custom event has a detail", () => new CustomEvent("x", { detail: 7 }).detail === 7 && new CustomEvent("x").detail === null);
claim("targets can be extended", () => new (class extends EventTarget {})() instanceof EventTarget);
