/** The services on a database with the framework's tables, as a fresh application has it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { startDatabases, type TestDatabases } from "../../test/databases.ts";
import { frameworkDatabase, migration } from "../../test/framework.ts";
import { createDB } from "../db/client.ts";
import type { SqlExecutor } from "../db/executor.ts";
import { buildAuthContext, createAuthContext, type SessionOperation } from "./auth-context.ts";
import { createIAMManager, type IAMManager } from "./manager.ts";
import { hasPermission, resolvePermissions } from "./permissions.ts";
import type { User } from "./users.ts";

let databases: TestDatabases;
beforeAll(async () => {
  databases = await startDatabases();
});
afterAll(() => databases.stop());

async function code(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error) => error.code,
  );
}

/** The framework's tables, newly made; undefined where the database is not installed. */
async function fresh(name: string): Promise<SqlExecutor | undefined> {
  if (name === "sqlite") return frameworkDatabase();
  const executor = databases.each.find((database) => database.name === name)?.executor;
  if (executor === undefined) return undefined;
  const script = `DROP SCHEMA public CASCADE; CREATE SCHEMA public; ${await migration("postgres")}`;
  const statements = script.replace(/^\s*--.*$/gm, "").split(";");
  for (const sql of statements) if (sql.trim() !== "") await executor.query(sql);
  return executor;
}

describe.each(["sqlite", "postgres"])("%s", (name) => {
  let executor: SqlExecutor | undefined;
  let iam: IAMManager;
  let ann: User;
  let bob: User;
  const check = (promise: string, body: (executor: SqlExecutor) => Promise<void>) =>
    test(promise, async () => {
      if (executor !== undefined) await body(executor);
    });

  beforeEach(async () => {
    executor = await fresh(name);
    if (executor === undefined) return;
    iam = createIAMManager(createDB(executor));
    ann = await iam.users.create({
      email: " Ann@Example.com",
      password: "correct horse",
      name: "Ann",
    });
    bob = await iam.users.create({ email: "bob@example.com", username: "bob" });
  });

  check("users are found whatever the case of their address, and never with a hash", async () => {
    expect(ann.email).toBe("ann@example.com");
    const all = [
      ann,
      await iam.users.getById(ann.id),
      await iam.users.getByEmail("ANN@example.com"),
      await iam.users.getByUsername("bob"),
      await iam.users.update(ann.id, { phone: "+1", email_verified_at: 5 }),
      await iam.users.getByPhone("+1"),
      ...(await iam.users.list({ limit: 10 })),
    ];
    expect(all.map((user) => user?.email.slice(0, 3))).toEqual([
      "ann",
      "ann",
      "ann",
      "bob",
      "ann",
      "ann",
      "bob",
      "ann",
    ]);
    expect(JSON.stringify(all)).not.toContain("argon2");
    expect(all.some((user) => user !== null && "password_hash" in user)).toBe(false);
    expect(await iam.users.getById("nobody")).toBeNull();
  });

  check("an address is taken once, and only fields that are meant are written", async (db) => {
    const beside = createDB(db).from("users").insert({ id: "x", email: "ANN@example.com" });
    expect(await code(beside.exec())).toBe("conflict");
    expect(await code(iam.users.create({ email: "ANN@EXAMPLE.COM" }))).toBe("conflict");
    expect(await code(iam.users.update(ann.id, { username: "bob" }))).toBe("conflict");
    expect(await code(iam.users.create({ email: "no address" }))).toBe("bad_request");
    const more = { name: "Anna", id: "x", password_hash: "y" } as { name: string };
    expect(await iam.users.update(ann.id, more)).toMatchObject({ id: ann.id, name: "Anna" });
    expect(await iam.users.verifyPassword(ann.id, "correct horse")).toBe(true);
    expect(await code(iam.users.update("nobody", { name: "x" }))).toBe("not_found");
  });

  check("passwords are verified and changed", async () => {
    expect(await iam.users.verifyPassword(ann.id, "wrong")).toBe(false);
    expect(await iam.users.verifyPassword(bob.id, "")).toBe(false);
    expect(await iam.users.verifyPassword("nobody", "x")).toBe(false);
    await iam.users.updatePassword(ann.id, "other");
    expect(await iam.users.verifyPassword(ann.id, "correct horse")).toBe(false);
    expect(await iam.users.verifyPassword(ann.id, "other")).toBe(true);
  });

  check("an organisation has its owner as a member, until it is transferred", async () => {
    const org = await iam.orgs.create(ann.id, "Acme", "acme");
    expect(await code(iam.orgs.create(bob.id, "Other", "acme"))).toBe("conflict");
    expect(await code(iam.orgs.create("nobody", "Other", "other"))).toBe("not_found");
    expect(await code(iam.orgs.create(bob.id, "Other", "No Slug"))).toBe("bad_request");
    await iam.orgs.addMember(org.id, bob.id);
    expect(await code(iam.orgs.addMember(org.id, bob.id, "admin"))).toBe("conflict");
    expect(await code(iam.orgs.addMember(org.id, bob.id, "owner"))).toBe("bad_request");
    expect(await code(iam.orgs.removeMember(org.id, ann.id))).toBe("conflict");
    expect(await code(iam.orgs.setMemberRole(org.id, ann.id, "member"))).toBe("conflict");
    expect(await code(iam.users.delete(ann.id))).toBe("conflict");
    expect((await iam.orgs.transfer(org.id, bob.id)).owner_id).toBe(bob.id);
    const { members, total } = await iam.orgs.listMembers(org.id, { limit: 1 });
    expect([members.length, total, members[0]?.email]).toEqual([1, 2, "ann@example.com"]);
    expect(await iam.orgs.getMemberRole(org.id, ann.id)).toBe("admin");
    expect(await iam.orgs.getMemberRole(org.id, bob.id)).toBe("owner");
    expect(await iam.users.delete(ann.id)).toBe(true);
    expect(await iam.orgs.getMemberCount(org.id)).toBe(1);
  });

  check("organisations are found, changed and deleted with what belongs to them", async () => {
    const org = await iam.orgs.create(ann.id, "Acme", "acme");
    await iam.orgs.create(bob.id, "Bobs", "bobs");
    await iam.subscriptions.create(org.id, "pro");
    expect((await iam.orgs.update(org.id, { name: "Acme 2" })).name).toBe("Acme 2");
    expect(await code(iam.orgs.update(org.id, { slug: "bobs" }))).toBe("conflict");
    expect((await iam.orgs.listForUser(ann.id)).map(({ slug }) => slug)).toEqual(["acme"]);
    expect(await iam.orgs.delete(org.id)).toBe(true);
    expect(await iam.orgs.delete(org.id)).toBe(false);
    expect(await iam.orgs.getBySlug("acme")).toBeNull();
    expect(await iam.subscriptions.get(org.id)).toBeNull();
  });

  check("permissions come from the user's role and the one in the organisation", async (db) => {
    const org = await iam.orgs.create(ann.id, "Acme", "acme");
    await iam.orgs.addMember(org.id, bob.id, "admin");
    const own = (userId: string, orgId?: string) =>
      resolvePermissions({ executor: db }, { userId, orgId });
    expect(await own(ann.id)).toEqual([]);
    expect((await own(ann.id, org.id)).length).toBe(9);
    expect(await own(bob.id, org.id)).not.toContain("org:delete");
    expect(await own(bob.id, "other")).toEqual([]);
    await iam.roles.createRole({ key: "support", name: "Support" });
    await iam.roles.createPermission({ key: "invoices:*", name: "Invoices" });
    await iam.roles.setRolePermissions("support", ["invoices:*", "org:read"]);
    await iam.users.update(bob.id, { role: "support" });
    expect(await own(bob.id)).toEqual(["invoices:*", "org:read"]);
    const identity = await buildAuthContext({ executor: db }, { userId: bob.id, orgId: org.id });
    expect(identity).toMatchObject({ userId: bob.id, role: "admin" });
    expect(hasPermission(identity?.permissions ?? [], "invoices:create")).toBe(true);
    expect(await buildAuthContext({ executor: db }, { userId: "nobody" })).toBeNull();
  });

  check(
    "permissions of a role are set whole or not at all, and assigned twice without harm",
    async () => {
      const keys = async (role: string) =>
        (await iam.roles.getRolePermissions(role)).map(({ key }) => key);
      expect((await iam.roles.getAllRoles()).map(({ key }) => key)).toEqual([
        "owner",
        "org:admin",
        "org:billing_manager",
        "org:member",
      ]);
      await iam.roles.assignPermission("org:member", "billing:read");
      await iam.roles.assignPermission("org:member", "billing:read");
      const wanted = ["billing:read", "members:read", "org:read"];
      expect(await keys("org:member")).toEqual(wanted);
      const unknown = iam.roles.setRolePermissions("org:member", ["org:read", "nope"]);
      expect(await code(unknown)).toBe("not_found");
      expect(await keys("org:member")).toEqual(wanted);
      expect(await iam.roles.revokePermission("org:member", "billing:read")).toBe(true);
      expect(await iam.roles.hasPermission("org:member", "org:read")).toBe(true);
      expect(await code(iam.roles.createRole({ key: "owner", name: "x" }))).toBe("conflict");
      expect((await iam.roles.updateRole("org:member", { weight: 11 })).weight).toBe(11);
      expect(await iam.roles.deleteRole("org:member")).toBe(true);
      expect(await iam.roles.deletePermission("org:read")).toBe(true);
      expect(await keys("owner")).not.toContain("org:read");
    },
  );

  check("features follow the plan, for as long as the subscription counts", async () => {
    const { id } = await iam.orgs.create(ann.id, "Acme", "acme");
    const state = async () => {
      const { plan, state, trialActiveOrPaid } = await iam.subscriptions.entitlements(id);
      return [plan, state, trialActiveOrPaid];
    };
    expect(await state()).toEqual(["free", "none", false]);
    await iam.subscriptions.create(id, "pro", { trialDays: 14 });
    expect(await state()).toEqual(["pro", "trialing", true]);
    await iam.subscriptions.update(id, { trial_ends_at: Date.now() - 1 });
    expect(await state()).toEqual(["free", "expired", false]);
    await iam.subscriptions.create(id, "enterprise");
    expect(await iam.subscriptions.hasFeature(id, "sso")).toBe(true);
    await iam.subscriptions.update(id, { status: "past_due" });
    expect(await state()).toEqual(["free", "past_due", false]);
    expect((await iam.subscriptions.cancel(id))?.status).toBe("canceled");
    expect(await iam.subscriptions.cancel(id)).toBeNull();
    expect(await state()).toEqual(["free", "canceled", false]);
    expect(await code(iam.subscriptions.create(id, "nope"))).toBe("not_found");
    expect((await iam.subscriptions.getPlans()).map(({ price_cents }) => price_cents)).toEqual([
      0, 2900, 9900, 29900,
    ]);
    expect(await iam.subscriptions.getPlanFeatures("starter")).toEqual([
      "api_access",
      "team",
      "webhooks",
    ]);
  });

  check("signing in and up writes the session, and says nothing of what is wrong", async (db) => {
    const operations: SessionOperation[] = [];
    const anonymous = () =>
      createAuthContext({ db: () => ({ executor: db }), onSession: (op) => operations.push(op) });
    const user = await anonymous().loginWithEmail({
      email: "Ann@example.com",
      password: "correct horse",
    });
    expect(user).toEqual(ann);
    const wrong = { email: "ann@example.com", password: "wrong" };
    const missing = { email: "nobody@example.com", password: "wrong" };
    const messages = [wrong, missing].map((credentials) =>
      anonymous()
        .loginWithEmail(credentials)
        .catch(({ code, message }) => [code, message]),
    );
    const [first, second] = await Promise.all(messages);
    expect(first).toEqual(["unauthorized", "email or password is wrong"]);
    expect(second).toEqual(first);
    const account = { email: "eve@example.com", password: "pw", role: "owner", id: "x" };
    const auth = anonymous();
    const eve = await auth.signup(account);
    expect(eve).toMatchObject({ email: "eve@example.com", role: null });
    expect(auth.userId).toBe(eve.id);
    auth.logout();
    expect(auth.userId).toBeUndefined();
    expect(operations).toEqual([
      { op: "create", payload: { userId: ann.id } },
      { op: "create", payload: { userId: eve.id } },
      { op: "destroy" },
    ]);
  });

  check("can() goes by the identity as the guards left it", async (db) => {
    const org = await iam.orgs.create(ann.id, "Acme", "acme");
    const auth = (identity: object) =>
      createAuthContext({
        identity: { userId: ann.id, ...identity },
        db: () => ({ executor: db }),
        onSession: () => undefined,
      });
    const fromTables = auth({});
    expect((await fromTables.can("org:delete")).allowed).toBe(false);
    fromTables.orgId = org.id;
    expect(await fromTables.can("org:delete")).toEqual({ allowed: true });
    const moved = auth({ permissions: [] });
    moved.orgId = org.id;
    expect((await moved.can("org:delete")).allowed).toBe(true);
    const key = auth({ permissions: ["org:read"], kind: "api_key" });
    key.orgId = org.id;
    const verdicts = await key.canAll(["org:read", "org:delete"]);
    expect([...verdicts].map(([one, { allowed }]) => [one, allowed])).toEqual([
      ["org:read", true],
      ["org:delete", false],
    ]);
    expect((await fromTables.team())?.slug).toBe("acme");
    const nobody = createAuthContext({ db: () => ({ executor: db }), onSession: () => undefined });
    expect(await nobody.can("org:read")).toEqual({ allowed: false, reason: "not signed in" });
    expect(await nobody.user()).toBeNull();
  });

  check("services in a transaction are undone with it", async (db) => {
    const work = createDB(db).transaction(async (tx) => {
      await createIAMManager(tx).orgs.create(ann.id, "Acme", "acme");
      throw new Error("undone");
    });
    await expect(work).rejects.toThrow("undone");
    expect(await iam.orgs.getBySlug("acme")).toBeNull();
  });
});

test("a wildcard matches its namespace and nothing else", () => {
  const rows: [string[], string, boolean][] = [
    [["invoices:create"], "invoices:create", true],
    [["invoices:create"], "invoices:read", false],
    [["*"], "anything:at:all", true],
    [["invoices:*"], "invoices:read", true],
    [["invoices:*"], "invoicesx:read", false],
    [["invoices:*"], "invoices", false],
    [["invoices*"], "invoices:read", false],
    [["a:b:*"], "a:b:c", true],
    [["a:b:*"], "a:c", false],
    [[], "x", false],
  ];
  for (const [permissions, wanted, allowed] of rows)
    expect([permissions, wanted, hasPermission(permissions, wanted)]).toEqual([
      permissions,
      wanted,
      allowed,
    ]);
});
