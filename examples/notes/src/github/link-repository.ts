import { action, guards, t, triggers } from "bunbase";
import { orgOf } from "../organization.ts";

export default action(
  {
    name: "link-repository",
    description: "From now on, issues of the repository become notes of the organisation",
    input: t.Object({ repository: t.String({ pattern: "^[\\w.-]+/[\\w.-]+$" }) }),
    output: t.Object({ repository: t.String() }),
    guards: [guards.authenticated(), guards.inOrg(), guards.hasPermission("org:update")],
    triggers: [triggers.api("POST", "/api/repositories")],
  },
  async ({ repository }, ctx) => {
    await ctx.db.from("repositories").insert({ full_name: repository, org_id: orgOf(ctx).id });
    return { repository };
  },
);
