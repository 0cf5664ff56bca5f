import { action, guards, triggers } from "bunbase";
import { account, credentials } from "./schemas.ts";

export const signup = action(
  {
    name: "signup",
    input: credentials,
    output: account,
    guards: [guards.rateLimit({ limit: 10, windowMs: 60_000 })],
    triggers: [triggers.api("POST", "/signup")],
  },
  async (input, ctx) => {
    const { id, email } = await ctx.auth.signup(input);
    return ctx.withMeta({ id, email }, { http: { status: 201 } });
  },
);
