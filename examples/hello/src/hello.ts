import { action, t, triggers } from "bunbase";

export default action(
  {
    name: "hello",
    input: t.Object({}),
    output: t.Object({ message: t.String() }),
    triggers: [triggers.api("GET", "/api/hello")],
  },
  async () => ({ message: "Hello, world" }),
);
