//! The tables of accounts, sessions, tokens and links. The only place with SQL.

mod accounts;
mod passwords;
mod registrations;
mod sessions;
mod tokens;

pub(crate) use accounts::{Account, KnownAccount, NewAccount};
pub(crate) use passwords::{NewReset, PasswordChange};
pub(crate) use registrations::NewRegistration;
pub(crate) use sessions::{NewSession, ShownSession};
pub(crate) use tokens::{NewToken, StoredToken};

use service_kit::secret::TokenHash;
use sql::{Database, Migration, SqlError};

const OWNER: &str = "bun-auth";

/// Rows that one transaction updates, so that it holds the writer for a moment only.
const UPDATES_MAX: usize = 500;

const MIGRATIONS: &[Migration] = &[
    Migration {
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
    },
    Migration {
        number: 2,
        name: "API tokens, links by mail, where sessions come from",
        sql: "ALTER TABLE auth_sessions ADD COLUMN address TEXT;
    ALTER TABLE auth_sessions ADD COLUMN user_agent TEXT;
    CREATE TABLE auth_tokens (
        token_hash BLOB PRIMARY KEY NOT NULL,
        id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL REFERENCES auth_accounts (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used_at INTEGER
    );
    CREATE INDEX auth_tokens_by_account ON auth_tokens (account, id);
    CREATE TABLE auth_resets (
        token_hash BLOB PRIMARY KEY NOT NULL,
        account TEXT NOT NULL REFERENCES auth_accounts (id) ON DELETE CASCADE,
        expires_at INTEGER NOT NULL
    );
    CREATE INDEX auth_resets_by_account ON auth_resets (account);
    CREATE TABLE auth_registrations (
        token_hash BLOB PRIMARY KEY NOT NULL,
        email TEXT NOT NULL,
        name TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    );",
    },
];

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

    /// Removes what has expired.
    pub(crate) async fn delete_expired(&self, now: i64) -> Result<(), SqlError> {
        for sql in [
            "DELETE FROM auth_sessions WHERE expires_at <= $1",
            "DELETE FROM auth_tokens WHERE expires_at <= $1",
            "DELETE FROM auth_resets WHERE expires_at <= $1",
            "DELETE FROM auth_registrations WHERE expires_at <= $1",
        ] {
            let mut write = self.database.write().await?;
            sqlx::query(sql).bind(now).execute(&mut *write).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// Writes when rows were last used, by `update` with the hash as $1 and the time as $2.
    async fn touch(&self, update: &'static str, used: &[(TokenHash, i64)]) -> Result<(), SqlError> {
        for batch in used.chunks(UPDATES_MAX) {
            let mut write = self.database.write().await?;
            for (token, used_at) in batch {
                sqlx::query(update).bind(token.as_bytes()).bind(used_at).execute(&mut *write).await?;
            }
            write.commit().await?;
        }
        Ok(())
    }
}

/// The hashes that a statement returned.
fn hashes(rows: &[Vec<u8>]) -> Vec<TokenHash> {
    rows.iter().filter_map(|bytes| TokenHash::from_bytes(bytes)).collect()
}
