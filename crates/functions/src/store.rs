//! `metadata.db`: functions and their immutable versions. The only place with their SQL.

pub(crate) mod functions;
pub(crate) mod versions;

use sql::Migration;

pub(crate) const OWNER: &str = "functions";

pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "functions and versions",
    sql: "CREATE TABLE functions (
              id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, runtime TEXT NOT NULL,
              access TEXT NOT NULL, settings TEXT NOT NULL, status TEXT NOT NULL,
              active_version TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
              UNIQUE (project, name));
          CREATE TABLE function_versions (
              id TEXT PRIMARY KEY, function_id TEXT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
              version TEXT NOT NULL, handler TEXT NOT NULL, checksum TEXT NOT NULL, form TEXT NOT NULL,
              size_bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, UNIQUE (function_id, version));",
}];
