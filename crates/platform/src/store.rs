//! The tables of projects. The only place with SQL.

mod audit;
mod invitations;
mod keys;
mod members;
mod projects;
mod purges;

pub(crate) use audit::{AuditFilter, AuditRow};
pub(crate) use invitations::{Acceptance, InvitationRow, NewInvitation};
pub(crate) use keys::{KeyRow, NewKey, Rotation, StoredKey};
pub(crate) use members::{Change, MemberRow};
pub(crate) use projects::{NewProject, Page, ProjectRow};
pub(crate) use purges::{Answered, Purge};

use sql::{Database, Migration, SqlError};

const OWNER: &str = "platform";

const MIGRATIONS: &[Migration] = &[FIRST, SECOND];

const FIRST: Migration = Migration {
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
};

const SECOND: Migration = Migration {
    number: 2,
    name: "invitations, rotated keys, audit log, second round of purges",
    sql: "CREATE TABLE project_invitations (
        id TEXT PRIMARY KEY NOT NULL,
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        email TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
        token_hash BLOB NOT NULL UNIQUE,
        invited_by TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        claimed_until INTEGER NOT NULL DEFAULT 0,
        UNIQUE (project, email)
    );
    CREATE INDEX project_invitations_by_expiry ON project_invitations (expires_at);
    ALTER TABLE project_keys ADD COLUMN old_hash BLOB;
    ALTER TABLE project_keys ADD COLUMN old_until INTEGER;
    CREATE UNIQUE INDEX project_keys_by_old_hash ON project_keys (old_hash) WHERE old_hash IS NOT NULL;
    CREATE TABLE audit_entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        project TEXT,
        actor_kind TEXT NOT NULL,
        actor TEXT,
        role TEXT,
        token TEXT,
        action TEXT NOT NULL,
        summary TEXT NOT NULL,
        target TEXT NOT NULL,
        status INTEGER NOT NULL,
        address TEXT,
        user_agent TEXT,
        request_id TEXT
    );
    CREATE INDEX audit_entries_by_project ON audit_entries (project, number);
    CREATE INDEX audit_entries_by_time ON audit_entries (at);
    ALTER TABLE project_purges ADD COLUMN round INTEGER NOT NULL DEFAULT 1;",
};

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
