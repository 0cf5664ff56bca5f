import { action, guards, t, triggers, Unauthorized } from "bunbase";
import { account } from "./schemas.ts";

export const me = action(
  {
    name: "me",
    input: t.Object({}),
    output: account,
    guards: [guards.authenticated()],
    triggers: [triggers.api("GET", "/me")],
  },
  async (_input, ctx) => {
    const user = await ctx.auth.user();
    if (user === null) throw new Unauthorized();
    return { id: user.id, email: user.email };
  },
);
