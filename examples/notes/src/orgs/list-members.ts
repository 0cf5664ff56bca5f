import { action, guards, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export const listMembers = action(
  {
    name: "list-members",
    input: t.Object({}),
    output: t.Array(t.Object({ email: t.String(), role: t.String() })),
    guards: [guards.inOrg(), guards.hasPermission("members:read")],
    triggers: [triggers.api("GET", "/members")],
  },
  async (_input, ctx) => {
    const { members } = await ctx.iam.orgs.listMembers(orgOf(ctx).id);
    return members.map(({ email, role }) => ({ email, role }));
  },
);
