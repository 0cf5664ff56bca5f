//! The tables of accounts and sessions. The only place with SQL.

mod accounts;
mod sessions;

pub(crate) use accounts::{Account, NewAccount};
pub(crate) use sessions::NewSession;

use sql::{Database, Migration, SqlError};

const OWNER: &str = "bun-auth";

const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "accounts and sessions",
    sql: "CREATE TABLE auth_accounts (
        id TEXT PRIMARY KEY NOT NULL,
        email TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        is_instance_admin BOOLEAN NOT NULL,
        created_at INTEGER NOT NULL
    );
    CREATE TABLE auth_sessions (
        token_hash BLOB PRIMARY KEY NOT NULL,
        id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL REFERENCES auth_accounts (id) ON DELETE CASCADE,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        last_used_at INTEGER NOT NULL
    );
    CREATE INDEX auth_sessions_by_account ON auth_sessions (account, id);
    CREATE INDEX auth_sessions_by_expiry ON auth_sessions (expires_at);",
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
