//! The tables of projects. The only place with SQL.

mod keys;
mod projects;
mod purges;

pub(crate) use keys::{KeyRow, NewKey, StoredKey};
pub(crate) use projects::{NewProject, Page, ProjectRow};
pub(crate) use purges::Purge;

use sql::{Database, Migration, SqlError};

const OWNER: &str = "platform";

const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "projects, members, keys, tombstones",
    sql: "CREATE TABLE projects (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        slug TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    );
    CREATE TABLE project_members (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        account TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
        created_at INTEGER NOT NULL,
        PRIMARY KEY (account, project)
    );
    CREATE INDEX project_members_by_project ON project_members (project);
    CREATE TABLE project_keys (
        id TEXT PRIMARY KEY NOT NULL,
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('public', 'secret')),
        name TEXT NOT NULL,
        key_hash BLOB NOT NULL UNIQUE,
        public_key TEXT CHECK (kind = 'public' OR public_key IS NULL),
        last4 TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_used_at INTEGER
    );
    CREATE INDEX project_keys_by_project ON project_keys (project, id);
    CREATE TABLE project_tombstones (
        project TEXT PRIMARY KEY NOT NULL,
        deleted_at INTEGER NOT NULL
    );
    CREATE TABLE project_purges (
        project TEXT NOT NULL REFERENCES project_tombstones (project) ON DELETE CASCADE,
        store TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        PRIMARY KEY (store, project)
    );
    CREATE INDEX project_purges_by_project ON project_purges (project);",
}];

/// The tables.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: Database) -> Result<Self, SqlError> {
        database.migrate(OWNER, MIGRATIONS).await?;
        Ok(Self { database })
    }
}
