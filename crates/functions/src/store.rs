//! `metadata.db`: functions, their immutable versions, and what decides which of them takes which calls. The only
//! place with their SQL.

pub(crate) mod aliases;
pub(crate) mod changes;
pub(crate) mod domains;
pub(crate) mod functions;
pub(crate) mod variables;
pub(crate) mod versions;

use sql::Migration;

pub(crate) const OWNER: &str = "functions";

pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
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
    },
    // `active_version` of a function without one is empty.
    Migration {
        number: 2,
        name: "manifests, changes, aliases, traffic, variables, domains",
        sql: "ALTER TABLE functions ADD COLUMN handler TEXT NOT NULL DEFAULT 'default';
          ALTER TABLE functions ADD COLUMN deployed_at INTEGER NOT NULL DEFAULT 0;
          ALTER TABLE function_versions ADD COLUMN manifest TEXT NOT NULL DEFAULT '';
          UPDATE functions SET deployed_at =
              coalesce((SELECT created_at FROM function_versions v WHERE v.id = active_version), 0);
          CREATE TABLE function_changes (
              id INTEGER PRIMARY KEY AUTOINCREMENT,
              function_id TEXT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
              state TEXT NOT NULL, version_id TEXT NOT NULL, version TEXT NOT NULL, at INTEGER NOT NULL);
          CREATE INDEX function_changes_of ON function_changes (function_id, id);
          CREATE TABLE function_aliases (
              function_id TEXT NOT NULL REFERENCES functions (id) ON DELETE CASCADE, name TEXT NOT NULL,
              version_id TEXT NOT NULL REFERENCES function_versions (id),
              created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY (function_id, name));
          CREATE TABLE function_traffic (
              function_id TEXT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
              version_id TEXT NOT NULL REFERENCES function_versions (id), weight INTEGER NOT NULL,
              PRIMARY KEY (function_id, version_id));
          CREATE TABLE function_variables (
              project TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
              secret TEXT, sealed BLOB NOT NULL, size_bytes INTEGER NOT NULL,
              created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY (project, scope, key));
          CREATE TABLE function_domains (
              host TEXT PRIMARY KEY, project TEXT NOT NULL,
              function_id TEXT NOT NULL REFERENCES functions (id) ON DELETE CASCADE, created_at INTEGER NOT NULL);",
    },
];

#[cfg(test)]
mod tests;
