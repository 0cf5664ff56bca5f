/** Roles, permissions, and which role has which. Roles and permissions are named by their key. */

import type { HasExecutor } from "../db/client.ts";
import { isUniqueViolation } from "../db/error.ts";
import type { BaseDatabase } from "../db/framework-tables.ts";
import { Conflict, NotFound } from "../errors.ts";
import { type FrameworkClient, found, framework, newId } from "./database.ts";
import { hasPermission } from "./permissions.ts";

export type Role = BaseDatabase["roles"]["Row"];
export type Permission = BaseDatabase["permissions"]["Row"];

export interface NewRole {
  key: string;
  name: string;
  description?: string | null;
  /** The heavier of two roles stands first; 0 unless said. */
  weight?: number;
}

export interface NewPermission {
  /** `<feature>:<action>`, `<feature>:*` or `*`. */
  key: string;
  name: string;
  description?: string | null;
}

export class RoleManager {
  readonly #db: FrameworkClient;

  constructor(db: HasExecutor) {
    this.#db = framework(db);
  }

  createRole({ key, name, description = null, weight = 0 }: NewRole): Promise<Role> {
    const row = { id: newId(), key, name, description, weight };
    return unlessTaken(
      this.#db.from("roles").insert(row).single(),
      `the role ${key} exists already`,
    );
  }

  getRole(key: string): Promise<Role | null> {
    return this.#db.from("roles").eq("key", key).maybeSingle();
  }

  /** The heaviest first. */
  getAllRoles(): Promise<Role[]> {
    return this.#db.from("roles").orderBy("weight", "DESC").orderBy("key").exec();
  }

  async updateRole(key: string, change: Partial<Omit<NewRole, "key">>): Promise<Role> {
    const { name, description, weight } = change;
    const update = Object.entries({ name, description, weight }).filter(([, v]) => v !== undefined);
    const roles = this.#db.from("roles").eq("key", key);
    if (update.length === 0) return found(await roles.maybeSingle(), "role");
    return found(await roles.update(Object.fromEntries(update)).maybeSingle(), "role");
  }

  async deleteRole(key: string): Promise<boolean> {
    return (await this.#db.from("roles").delete().eq("key", key).count()) > 0;
  }

  createPermission({ key, name, description = null }: NewPermission): Promise<Permission> {
    const row = { id: newId(), key, name, description };
    const message = `the permission ${key} exists already`;
    return unlessTaken(this.#db.from("permissions").insert(row).single(), message);
  }

  getPermission(key: string): Promise<Permission | null> {
    return this.#db.from("permissions").eq("key", key).maybeSingle();
  }

  getAllPermissions(): Promise<Permission[]> {
    return this.#db.from("permissions").orderBy("key").exec();
  }

  async deletePermission(key: string): Promise<boolean> {
    return (await this.#db.from("permissions").delete().eq("key", key).count()) > 0;
  }

  /** May be said again, and then changes nothing. */
  async assignPermission(role: string, permission: string): Promise<void> {
    const pair = await this.#pair(role, permission);
    const on = { onConflict: ["role_id", "permission_id"], update: [] } as const;
    await this.#db.from("role_permissions").upsert(pair, on).count();
  }

  /** Whether the role had it. */
  async revokePermission(role: string, permission: string): Promise<boolean> {
    const { role_id, permission_id } = await this.#pair(role, permission);
    const rows = this.#db.from("role_permissions").delete();
    return (await rows.eq("role_id", role_id).eq("permission_id", permission_id).count()) > 0;
  }

  getRolePermissions(role: string): Promise<Permission[]> {
    return this.#db
      .from("permissions")
      .innerJoin("role_permissions", "permissions.id", "role_permissions.permission_id")
      .innerJoin("roles", "role_permissions.role_id", "roles.id")
      .select("permissions.*")
      .eq("roles.key", role)
      .orderBy("key")
      .exec();
  }

  /** With wildcards. */
  async hasPermission(role: string, permission: string): Promise<boolean> {
    const granted = await this.getRolePermissions(role);
    return hasPermission(
      granted.map(({ key }) => key),
      permission,
    );
  }

  /** From now on the role has exactly these; all or nothing. */
  async setRolePermissions(role: string, permissions: readonly string[]): Promise<void> {
    const keys = [...new Set(permissions)];
    await this.#db.transaction(async (tx) => {
      const { id: role_id } = found(await new RoleManager(tx).getRole(role), `role: ${role}`);
      const known = await tx.from("permissions").in("key", keys);
      const unknown = keys.find((key) => !known.some((row) => row.key === key));
      if (unknown !== undefined) throw new NotFound(`no such permission: ${unknown}`);
      await tx.from("role_permissions").delete().eq("role_id", role_id);
      const rows = known.map(({ id }) => ({ role_id, permission_id: id }));
      await tx.from("role_permissions").insert(rows);
    });
  }

  async #pair(role: string, permission: string) {
    const role_id = found(await this.getRole(role), `role: ${role}`).id;
    const known = await this.getPermission(permission);
    return { role_id, permission_id: found(known, `permission: ${permission}`).id };
  }
}

async function unlessTaken<T>(work: Promise<T>, message: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new Conflict(message);
  }
}
