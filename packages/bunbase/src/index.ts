/** BunBase's framework: actions, what starts them, and who may. */

export { Type as t } from "@sinclair/typebox";
export {
  type ActionConfig,
  type ActionDefinition,
  type ActionHandler,
  action,
  type ModuleConfig,
  type ModuleDefinition,
  module,
  type RetryConfig,
} from "./action.ts";
export { hashPassword, Password, verifyPassword } from "./auth/password.ts";
export { SessionManager, type SessionPayload } from "./auth/session-manager.ts";
export { type BunbaseConfig, type CorsConfig, defineConfig } from "./config.ts";
export {
  type BaseDatabase,
  createDB,
  type Database,
  type Database as GeneratedDatabase,
  type DatabaseClient,
  DatabaseError,
} from "./db.ts";
export * from "./errors.ts";
export {
  type BuiltInGuard,
  type Guard,
  type GuardFunction,
  type GuardGroup,
  guards,
  parallel,
  type RateLimitOptions,
  sequential,
} from "./guards.ts";
export { type CookieFieldOptions, http } from "./http.ts";
export {
  AuthContext,
  buildAuthContext,
  createAuthContext,
  type Identity,
} from "./iam/auth-context.ts";
export { createIAMManager, type IAMManager } from "./iam/manager.ts";
export { hasPermission, resolvePermissions } from "./iam/permissions.ts";
export { type Permission, type Role, RoleManager } from "./iam/roles.ts";
export { type NewUser, type User, type UserChange, UsersManager } from "./iam/users.ts";
export {
  type LogEntry,
  type LogFields,
  Logger,
  type LoggerOptions,
  LoggerSession,
  type LogLevel,
} from "./logger.ts";
export { withMeta } from "./meta.ts";
export type { BunbaseActions, BunbaseEvents, BunbaseQueues } from "./names.ts";
export { createRedisRateLimiter, type RedisCommands } from "./redis-rate-limit.ts";
export { type Membership, type Organization, OrgManager } from "./saas/organizations.ts";
export {
  type Entitlements,
  type Plan,
  type Subscription,
  SubscriptionManager,
  type SubscriptionStatus,
} from "./saas/subscriptions.ts";
export {
  type SeedContext,
  type SeedDefinition,
  Seeder,
  type SeedOptions,
  type SeedReport,
  seed,
} from "./seed/seeder.ts";
export {
  createTestClient,
  createTestServer,
  type TestActionOptions,
  type TestClient,
  type TestResult,
  type TestServer,
  testAction,
  withTestTransaction,
} from "./test.ts";
export {
  type ApiTrigger,
  type CronTrigger,
  type EventTrigger,
  type QueueTrigger,
  type ToolTrigger,
  type Trigger,
  triggers,
  type WebhookTrigger,
  type WebhookVerifier,
  webhooks,
} from "./triggers.ts";
export type {
  ActionContext,
  ActionLogger,
  ChannelAPI,
  CookieOptions,
  EventAPI,
  KVStore,
  Mailer,
  MailMessage,
  OrgContext,
  PushOptions,
  QueueAPI,
  QueuedJobInfo,
  ResponseControl,
  StorageAPI,
  TransportMeta,
  TriggerType,
  UploadedFile,
} from "./types.ts";
