//! `auth_sessions`: a token is kept as its hash only.

use super::Store;
use service_kit::ids::SessionId;
use service_kit::secret::TokenHash;
use sql::SqlError;

/// Rows that one transaction updates, so that it holds the writer for a moment only.
const UPDATES_MAX: usize = 500;

/// A session to be kept.
pub(crate) struct NewSession<'a> {
    pub(crate) token_hash: TokenHash,
    pub(crate) account: &'a str,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    /// How many the account may have, this one included.
    pub(crate) sessions_max: u32,
}

/// A session that was found.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredSession {
    pub(crate) account: String,
    pub(crate) expires_at: i64,
    pub(crate) last_used_at: i64,
}

impl Store {
    /// Keeps a session. The account's oldest end where there are too many; theirs are the hashes.
    pub(crate) async fn create_session(&self, new: &NewSession<'_>) -> Result<Vec<TokenHash>, SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query(
            "INSERT INTO auth_sessions (token_hash, id, account, created_at, expires_at, last_used_at)
             VALUES ($1, $2, $3, $4, $5, $4)",
        )
        .bind(new.token_hash.as_bytes())
        .bind(SessionId::generate().as_str())
        .bind(new.account)
        .bind(new.created_at)
        .bind(new.expires_at)
        .execute(&mut *write)
        .await?;
        let ended: Vec<Vec<u8>> = sqlx::query_scalar(
            "DELETE FROM auth_sessions WHERE account = $1 AND id NOT IN
             (SELECT id FROM auth_sessions WHERE account = $1 ORDER BY id DESC LIMIT $2)
             RETURNING token_hash",
        )
        .bind(new.account)
        .bind(new.sessions_max)
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        Ok(ended.iter().filter_map(|bytes| TokenHash::from_bytes(bytes)).collect())
    }

    /// The session of a token that has not expired at `now`.
    pub(crate) async fn session(
        &self,
        token: &TokenHash,
        now: i64,
    ) -> Result<Option<StoredSession>, SqlError> {
        let sql = "SELECT account, expires_at, last_used_at FROM auth_sessions
                   WHERE token_hash = $1 AND expires_at > $2";
        let query = sqlx::query_as(sql).bind(token.as_bytes()).bind(now);
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// Ends one session.
    pub(crate) async fn delete_session(&self, token: &TokenHash) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query("DELETE FROM auth_sessions WHERE token_hash = $1")
            .bind(token.as_bytes())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Removes what has expired.
    pub(crate) async fn delete_expired_sessions(&self, now: i64) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query("DELETE FROM auth_sessions WHERE expires_at <= $1")
            .bind(now)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Writes when sessions were last used.
    pub(crate) async fn touch_sessions(&self, used: &[(TokenHash, i64)]) -> Result<(), SqlError> {
        for batch in used.chunks(UPDATES_MAX) {
            let mut write = self.database.write().await?;
            for (token, used_at) in batch {
                sqlx::query("UPDATE auth_sessions SET last_used_at = $2 WHERE token_hash = $1")
                    .bind(token.as_bytes())
                    .bind(used_at)
                    .execute(&mut *write)
                    .await?;
            }
            write.commit().await?;
        }
        Ok(())
    }
}
