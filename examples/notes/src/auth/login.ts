import { action, guards, triggers } from "bunbase";
import { account, credentials } from "./schemas.ts";

export const login = action(
  {
    name: "login",
    input: credentials,
    output: account,
    guards: [guards.rateLimit({ limit: 10, windowMs: 60_000 })],
    triggers: [triggers.api("POST", "/login")],
  },
  async (input, ctx) => {
    const { id, email } = await ctx.auth.loginWithEmail(input);
    return { id, email };
  },
);
