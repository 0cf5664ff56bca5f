//! The tables. The only place with SQL.

pub(crate) mod entries;
pub(crate) mod projects;

pub(crate) use entries::{Existing, NewEntry, StoredRow, Swept};
pub(crate) use projects::Usage;

use sql::{Database, Migration, SqlError, Write};

const OWNER: &str = "bunder-manager";

/// Keys are blobs, so that they are in the order of their bytes.
const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "projects and entries",
    sql: "CREATE TABLE kv_projects (
        project TEXT PRIMARY KEY NOT NULL,
        keys INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL DEFAULT 0,
        rules TEXT
    );
    CREATE TABLE kv_entries (
        project TEXT NOT NULL,
        key BLOB NOT NULL,
        version INTEGER NOT NULL,
        expires_at INTEGER,
        value BLOB NOT NULL,
        PRIMARY KEY (project, key)
    );
    CREATE INDEX kv_entries_by_expiry ON kv_entries (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX kv_entries_by_project_expiry ON kv_entries (project, expires_at)
        WHERE expires_at IS NOT NULL;",
}];

/// The tables.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: Database) -> Result<Self, SqlError> {
        database.migrate(OWNER, MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// A transaction; only the writer asks for one.
    pub(crate) async fn write(&self) -> Result<Write, SqlError> {
        self.database.write().await
    }
}
