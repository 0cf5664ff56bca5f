/** `bunbase/logger`. */
export {
  type LogEntry,
  type LogFields,
  Logger,
  type LoggerOptions,
  type LogLevel,
} from "./logger/logger.ts";
export { LoggerSession, SESSION_ENTRIES_MAX } from "./logger/session.ts";
