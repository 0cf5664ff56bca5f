/** The services, over one database. */
import type { HasExecutor } from "../db/client.ts";
import { OrgManager } from "../saas/organizations.ts";
import { SubscriptionManager } from "../saas/subscriptions.ts";
import { RoleManager } from "./roles.ts";
import { UsersManager } from "./users.ts";

export interface IAMManager {
  readonly roles: RoleManager;
  readonly orgs: OrgManager;
  readonly users: UsersManager;
  readonly subscriptions: SubscriptionManager;
}

/** Given the client of a transaction, the services work inside it. */
export function createIAMManager(db: HasExecutor): IAMManager {
  return {
    roles: new RoleManager(db),
    orgs: new OrgManager(db),
    users: new UsersManager(db),
    subscriptions: new SubscriptionManager(db),
  };
}
