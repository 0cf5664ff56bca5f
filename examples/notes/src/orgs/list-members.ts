import { action, guards, t, triggers } from "bunbase";

export const listMembers = action(
  {
    name: "list-members",
    input: t.Object({}),
    output: t.Array(t.Object({ email: t.String(), role: t.String() })),
    guards: [guards.inOrg(), guards.hasPermission("members:read")],
    triggers: [triggers.api("GET", "/members")],
  },
  async (_input, ctx) => {
    const { members } = await ctx.iam.orgs.listMembers(String(ctx.org?.id));
    return members.map(({ email, role }) => ({ email, role }));
  },
);
