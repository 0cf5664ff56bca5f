//! `auth_registrations`: accounts that wait until their address is confirmed, by the hash of their link.

use super::Store;
use service_kit::secret::TokenHash;
use sql::SqlError;

/// Registrations that wait; over it no more are kept until some expire.
const WAITING_MAX: u32 = 10_000;

/// A registration to be kept. No `Debug`.
pub(crate) struct NewRegistration<'a> {
    pub(crate) token_hash: TokenHash,
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) expires_at: i64,
}

/// A registration that was confirmed. No `Debug`.
#[derive(sqlx::FromRow)]
pub(crate) struct Registered {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) password_hash: String,
}

impl Store {
    /// Keeps a registration; false where too many wait.
    pub(crate) async fn create_registration(&self, new: &NewRegistration<'_>) -> Result<bool, SqlError> {
        let mut write = self.database.write().await?;
        let inserted = sqlx::query(
            "INSERT INTO auth_registrations (token_hash, email, name, password_hash, expires_at)
             SELECT $1, $2, $3, $4, $5 WHERE $6 > (SELECT count(*) FROM auth_registrations)",
        )
        .bind(new.token_hash.as_bytes())
        .bind(new.email)
        .bind(new.name)
        .bind(new.password_hash)
        .bind(new.expires_at)
        .bind(WAITING_MAX)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// Takes a registration out, once; `None` where it was taken before or is too old.
    pub(crate) async fn use_registration(
        &self,
        token: &TokenHash,
        now: i64,
    ) -> Result<Option<Registered>, SqlError> {
        let mut write = self.database.write().await?;
        let registered = sqlx::query_as(
            "DELETE FROM auth_registrations WHERE token_hash = $1 AND expires_at > $2
             RETURNING email, name, password_hash",
        )
        .bind(token.as_bytes())
        .bind(now)
        .fetch_optional(&mut *write)
        .await?;
        write.commit().await?;
        Ok(registered)
    }
}
