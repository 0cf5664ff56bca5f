//! The tables. The only place with SQL.

pub(crate) mod objects;
pub(crate) mod projects;

use sql::{Database, Migration, SqlError, Write};

const OWNER: &str = "storage";

/// Names are blobs, so that they are in the order of their bytes.
const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "projects and objects",
    sql: "CREATE TABLE storage_projects (
        project TEXT PRIMARY KEY NOT NULL,
        objects INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        signing_key BLOB,
        rules TEXT
    );
    CREATE TABLE storage_objects (
        project TEXT NOT NULL,
        name BLOB NOT NULL,
        file TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        content_type TEXT NOT NULL,
        modified_at INTEGER NOT NULL,
        PRIMARY KEY (project, name)
    );",
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

    /// A transaction; waits for the one before it.
    pub(crate) async fn write(&self) -> Result<Write, SqlError> {
        self.database.write().await
    }
}
