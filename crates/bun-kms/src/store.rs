//! The tables of keys and secrets. The only place with SQL. Nothing in them opens without the root key.

mod audit_head;
mod keys;
mod projects;
mod root;
mod secrets;

pub(crate) use keys::{KeyRow, NewVersion, VersionRow};
pub(crate) use root::RootRow;
pub(crate) use secrets::{SecretLimits, SecretRow};

use sql::{Database, Migration, SqlError, Write};
use sqlx::Executor as _;
use std::path::Path;

const OWNER: &str = "kms";

const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "root key, projects, keys, secrets, audit head",
    sql: "CREATE TABLE kms_root (
        id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
        check_value BLOB NOT NULL,
        salt BLOB,
        memory_kib INTEGER,
        passes INTEGER,
        lanes INTEGER
    );
    CREATE TABLE kms_projects (
        project TEXT PRIMARY KEY NOT NULL,
        wrapped_key BLOB NOT NULL,
        created_at INTEGER NOT NULL
    );
    CREATE TABLE kms_keys (
        project TEXT NOT NULL REFERENCES kms_projects (project) ON DELETE CASCADE,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        active INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        revoked_at INTEGER,
        PRIMARY KEY (project, name)
    );
    CREATE TABLE kms_key_versions (
        project TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        material BLOB,
        public_key BLOB,
        messages INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (project, name, version),
        FOREIGN KEY (project, name) REFERENCES kms_keys (project, name) ON DELETE CASCADE
    );
    CREATE TABLE kms_secrets (
        project TEXT NOT NULL REFERENCES kms_projects (project) ON DELETE CASCADE,
        name TEXT NOT NULL,
        newest INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (project, name)
    );
    CREATE TABLE kms_secret_versions (
        project TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (project, name, version),
        FOREIGN KEY (project, name) REFERENCES kms_secrets (project, name) ON DELETE CASCADE
    );
    CREATE TABLE kms_audit_head (
        id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
        file INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        hash TEXT NOT NULL
    );",
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

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        self.database.path()
    }

    /// A transaction. What it deletes is overwritten with zeros in the file.
    pub(crate) async fn write(&self) -> Result<Write, SqlError> {
        let mut write = self.database.write().await?;
        write.execute("PRAGMA secure_delete = ON").await?;
        Ok(write)
    }

    /// Moves the write-ahead log into the file and empties it, so that no older state of what was deleted
    /// stays there. Readers at work may keep it from that; the next checkpoint does it then.
    pub(crate) async fn checkpoint(&self) -> Result<(), SqlError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(self.database.read()).await?;
        Ok(())
    }
}
