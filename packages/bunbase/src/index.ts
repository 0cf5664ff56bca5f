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
export { RoleManager } from "./iam/roles.ts";
export { UsersManager } from "./iam/users.ts";
export { Logger, LoggerSession } from "./logger.ts";
export { withMeta } from "./meta.ts";
export type { BunbaseActions, BunbaseEvents, BunbaseQueues } from "./names.ts";
export { OrgManager } from "./saas/organizations.ts";
export { SubscriptionManager } from "./saas/subscriptions.ts";
export { type SeedDefinition, Seeder, seed } from "./seed/seeder.ts";
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
  KVStore,
  Mailer,
  MailMessage,
  OrgContext,
  StorageAPI,
  TransportMeta,
  UploadedFile,
} from "./types.ts";
