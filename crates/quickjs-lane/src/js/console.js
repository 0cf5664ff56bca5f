// `console.*` as lines of the function's log.

const [DEBUG, INFO, WARN, ERROR] = [0, 1, 2, 3];
const counts = new Map();
const clocks = new Map();
let indent = "";

function write(level, parameters) {
  const text = format(parameters);
  native.log(level, usv(indent === "" ? text : text.replaceAll(/^/gm, indent)));
}

const at =
  (level) =>
  (...parameters) =>
    write(level, parameters);

const console = {
  debug: at(DEBUG),
  trace: (...parameters) => {
    const { stack } = new Error();
    write(DEBUG, [`Trace: ${format(parameters)}\n${stack}`]);
  },
  log: at(INFO),
  info: at(INFO),
  dir: (value) => write(INFO, [value]),
  table: (value) => write(INFO, [value]),
  warn: at(WARN),
  error: at(ERROR),
  assert: (condition, ...parameters) => {
    if (!condition) write(ERROR, ["Assertion failed:", ...parameters]);
  },
  group: (...parameters) => {
    if (parameters.length > 0) write(INFO, parameters);
    indent += "  ";
  },
  groupCollapsed: (...parameters) => console.group(...parameters),
  groupEnd: () => {
    indent = indent.slice(2);
  },
  count: (label = "default") => {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    write(INFO, [`${label}: ${counts.get(label)}`]);
  },
  countReset: (label = "default") => void counts.delete(label),
  time: (label = "default") => void clocks.set(label, performance.now()),
  timeLog: (label = "default", ...parameters) =>
    write(INFO, [`${label}: ${(performance.now() - clocks.get(label)).toFixed(3)}ms`, ...parameters]),
  timeEnd: (label = "default") => {
    console.timeLog(label);
    clocks.delete(label);
  },
};
