import { guards, module } from "bunbase";
import { addMember } from "./add-member.ts";
import { createOrg } from "./create-org.ts";
import { listMembers } from "./list-members.ts";

export default module({
  name: "orgs",
  apiPrefix: "/api/orgs",
  guards: [guards.authenticated()],
  actions: [createOrg, addMember, listMembers],
});
