/** What somebody may do: one rule for matching, and one place that asks the tables. */
import type { HasExecutor } from "../db/client.ts";
import { framework } from "./database.ts";

/** Whether one of `permissions` is `wanted` itself, `*`, or `<namespace>:*` of it. */
export function hasPermission(permissions: readonly string[], wanted: string): boolean {
  return permissions.some(
    (permission) =>
      permission === wanted ||
      permission === "*" ||
      (permission.endsWith(":*") && wanted.startsWith(permission.slice(0, -1))),
  );
}

/** The key in `roles` of a role of a membership: `admin` is `org:admin`. */
export function membershipRoleKey(role: string): string {
  return role === "owner" || role.startsWith("org:") ? role : `org:${role}`;
}

export interface Subject {
  userId: string;
  /** The organisation in which permissions count. */
  orgId?: string | null | undefined;
}

export interface Resolved {
  /** Of the membership in the organisation, else of the user. */
  role: string | undefined;
  permissions: string[];
}

/** The permissions of the user's own role and of the role in the organisation, each once. */
export async function resolvePermissions(db: HasExecutor, subject: Subject): Promise<string[]> {
  return (await resolveSubject(db, subject)).permissions;
}

export async function resolveSubject(db: HasExecutor, subject: Subject): Promise<Resolved> {
  const tables = framework(db);
  const { userId, orgId } = subject;
  const user = await tables.from("users").select("role").eq("id", userId).maybeSingle();
  const member = orgId
    ? await tables
        .from("org_memberships")
        .select("role")
        .eq("user_id", userId)
        .eq("org_id", orgId)
        .maybeSingle()
    : null;
  const keys = [user?.role, member === null ? null : membershipRoleKey(member.role)];
  const roles = keys.filter((key) => key !== null && key !== undefined);
  const role = member?.role ?? user?.role ?? undefined;
  if (roles.length === 0) return { role, permissions: [] };
  const rows = await tables
    .from("permissions")
    .innerJoin("role_permissions", "permissions.id", "role_permissions.permission_id")
    .innerJoin("roles", "role_permissions.role_id", "roles.id")
    .select("permissions.key")
    .in("roles.key", roles)
    .orderBy("key");
  return { role, permissions: [...new Set(rows.map(({ key }) => key))] };
}
