import { action, t, triggers } from "bunbase";

export default action(
  {
    name: "signup",
    input: t.Object({ email: t.String(), password: t.String() }),
    output: t.Object({ id: t.String() }),
    triggers: [triggers.api("POST", "/api/signup")],
  },
  async (input, ctx) => ({ id: (await ctx.auth.signup(input)).id }),
);
