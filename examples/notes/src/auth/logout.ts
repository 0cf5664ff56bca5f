import { action, guards, t, triggers } from "bunbase";

export const logout = action(
  {
    name: "logout",
    input: t.Object({}),
    output: t.Object({ ok: t.Boolean() }),
    guards: [guards.authenticated()],
    triggers: [triggers.api("POST", "/logout")],
  },
  async (_input, ctx) => {
    ctx.auth.logout();
    return { ok: true };
  },
);
