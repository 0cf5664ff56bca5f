import { expect, test } from "bun:test";
import * as bunbase from "./index.ts";
import { action, isRetryable, t } from "./index.ts";

const PUBLIC = [
  // Actions, what starts them, and who may.
  ...["action", "module", "triggers", "webhooks", "guards", "sequential", "parallel"],
  ...["t", "http", "withMeta", "defineConfig", "createRedisRateLimiter"],
  // Errors.
  ...["ActionValidationError", "BadRequest", "BunbaseError", "CircularDependencyError", "Conflict"],
  ...["Forbidden", "GuardError", "InternalError", "NonRetriableError", "NotFound"],
  ...["NotImplemented", "ServiceUnavailable", "TooManyRequests", "Unauthorized"],
  ...["badRequest", "isRetryable"],
  // Database, logs, accounts.
  ...["createDB", "DatabaseError", "seed", "Seeder", "Logger", "LoggerSession", "SessionManager"],
  ...["Password", "hashPassword", "verifyPassword", "AuthContext", "buildAuthContext"],
  ...["createAuthContext", "createIAMManager", "hasPermission", "resolvePermissions"],
  ...["OrgManager", "RoleManager", "SubscriptionManager", "UsersManager"],
  // Tests.
  ...["testAction", "createTestServer", "createTestClient", "withTestTransaction"],
];

test("the package exports what is public, and nothing of what runs it", () => {
  // `BunbaseServer`, `ActionRegistry`, `loadActions`, `WriteBuffer`, `Scheduler` and `McpService` are not in the list.
  expect(Object.keys(bunbase).sort()).toEqual([...PUBLIC].sort());
});

test("each error has its status, and only what may end otherwise is tried again", () => {
  const status = (error: bunbase.BunbaseError) => error.statusCode;
  const named = [
    new bunbase.BadRequest(),
    new bunbase.Unauthorized(),
    new bunbase.Forbidden(),
    new bunbase.NotFound(),
    new bunbase.Conflict(),
    new bunbase.TooManyRequests(),
    new bunbase.InternalError(),
    new bunbase.NotImplemented(),
    new bunbase.ServiceUnavailable(),
    new bunbase.NonRetriableError(),
    new bunbase.ActionValidationError("input", []),
    new bunbase.GuardError("no", 402),
  ];
  expect(named.map(status)).toEqual([400, 401, 403, 404, 409, 429, 500, 501, 503, 400, 400, 402]);
  const known = new bunbase.NotFound("no task").withContext({ actionName: "tasks.get" });
  expect([known.message, known.context.actionName, known instanceof bunbase.NotFound]).toEqual([
    "no task",
    "tasks.get",
    true,
  ]);
  expect(named.filter(isRetryable).map(status)).toEqual([500, 501, 503]);
  expect([isRetryable(new Error("x")), isRetryable("thrown text")]).toEqual([true, false]);
});

test("an output cannot stand where only requests have something", () => {
  const { http } = bunbase;
  const define = (field: ReturnType<typeof t.String>) => () =>
    action({ name: "a", input: t.Object({}), output: t.Object({ field }) }, async () => ({
      field: "",
    }));
  expect(define(http.Query(t.String()))).toThrow("output.field cannot stand in the query");
  expect(define(http.Path(t.String()))).toThrow("path");
  expect(define(http.Header(t.String()))).not.toThrow();
});
