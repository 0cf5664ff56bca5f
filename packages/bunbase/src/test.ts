/** `bunbase/test`: actions in tests, without a server. */

export {
  type TestActionOptions,
  type TestResult,
  type TestRun,
  testAction,
} from "./testing/action.ts";
export {
  createTestClient,
  type TestAnswer,
  type TestClient,
  type TestRequestOptions,
} from "./testing/client.ts";
export { createTestDatabase, type TestDatabaseOptions } from "./testing/database.ts";
export type { TestReach } from "./testing/reach.ts";
export { createTestServer, type TestServer, type TestServerOptions } from "./testing/server.ts";
export {
  type EmittedEvent,
  type MemoryServices,
  memoryServices,
  type QueuedJob,
} from "./testing/services.ts";
export { withTestTransaction } from "./testing/transaction.ts";
