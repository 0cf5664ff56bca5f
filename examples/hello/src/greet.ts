import { action, t, triggers } from "bunbase";

export default action(
  {
    name: "greet",
    input: t.Object({
      name: t.String({ minLength: 1, maxLength: 100 }),
      times: t.Integer({ minimum: 1, maximum: 10, default: 1 }),
    }),
    output: t.Object({ message: t.String() }),
    triggers: [triggers.api("POST", "/api/greet"), triggers.api("GET", "/api/greet/:name")],
  },
  async ({ name, times }) => ({ message: Array(times).fill(`Hello, ${name}`).join("! ") }),
);
