import { type ActionContext, InternalError, type OrgContext } from "bunbase";

/** The organisation that `guards.inOrg()` found. */
export function orgOf({ org }: ActionContext): OrgContext {
  if (org === undefined) throw new InternalError("the guard inOrg is missing");
  return org;
}
