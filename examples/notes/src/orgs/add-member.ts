import { action, guards, NotFound, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const addMember = action(
  {
    name: "add-member",
    input: t.Object({
      email: t.String({ format: "email" }),
      role: t.Union([t.Literal("member"), t.Literal("admin")], { default: "member" }),
    }),
    output: t.Object({ userId: t.String(), role: t.String() }),
    guards: [guards.inOrg(), guards.hasPermission("members:manage")],
    triggers: [triggers.api("POST", "/members")],
  },
  async ({ email, role }, ctx) => {
    const user = await ctx.iam.users.getByEmail(email);
    if (user === null) throw new NotFound("nobody has signed up with this address");
    await ctx.iam.orgs.addMember(orgOf(ctx).id, user.id, role);
    return { userId: user.id, role };
  },
);
