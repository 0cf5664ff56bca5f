//! `auth_tokens`: API tokens, kept as their hashes only. Scopes are kept with spaces between them.

use super::Store;
use service_kit::ids::{TokenId, UserId};
use service_kit::secret::TokenHash;
use sql::SqlError;

/// A token to be kept.
pub(crate) struct NewToken<'a> {
    pub(crate) token_hash: TokenHash,
    pub(crate) id: &'a TokenId,
    pub(crate) account: &'a UserId,
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a str,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    /// How many the account may have, this one included.
    pub(crate) tokens_max: u32,
}

/// A token that was found.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredToken {
    pub(crate) token_hash: Vec<u8>,
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) scopes: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) last_used_at: Option<i64>,
}

impl Store {
    /// Keeps a token; false where the account has as many as it may.
    pub(crate) async fn create_token(&self, new: &NewToken<'_>) -> Result<bool, SqlError> {
        let mut write = self.database.write().await?;
        let inserted = sqlx::query(
            "INSERT INTO auth_tokens (token_hash, id, account, name, scopes, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $8 >
             (SELECT count(*) FROM auth_tokens WHERE account = $3 AND (expires_at IS NULL OR expires_at > $6))",
        )
        .bind(new.token_hash.as_bytes())
        .bind(new.id.as_str())
        .bind(new.account.as_str())
        .bind(new.name)
        .bind(new.scopes)
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(new.tokens_max)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The token with this hash, if it has not expired at `now`.
    pub(crate) async fn token(&self, token: &TokenHash, now: i64) -> Result<Option<StoredToken>, SqlError> {
        let sql = "SELECT token_hash, id, account, name, scopes, created_at, expires_at, last_used_at
                   FROM auth_tokens WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)";
        let query = sqlx::query_as(sql).bind(token.as_bytes()).bind(now);
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// The tokens of an account that have not expired at `now`, the newest first.
    pub(crate) async fn tokens_of(&self, account: &UserId, now: i64) -> Result<Vec<StoredToken>, SqlError> {
        let sql = "SELECT token_hash, id, account, name, scopes, created_at, expires_at, last_used_at
                   FROM auth_tokens WHERE account = $1 AND (expires_at IS NULL OR expires_at > $2)
                   ORDER BY id DESC";
        let query = sqlx::query_as(sql).bind(account.as_str()).bind(now);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// Removes a token of an account; `None` where it has no such token.
    pub(crate) async fn delete_token(
        &self,
        account: &UserId,
        token: &TokenId,
    ) -> Result<Option<TokenHash>, SqlError> {
        let mut write = self.database.write().await?;
        let removed: Option<Vec<u8>> =
            sqlx::query_scalar("DELETE FROM auth_tokens WHERE account = $1 AND id = $2 RETURNING token_hash")
                .bind(account.as_str())
                .bind(token.as_str())
                .fetch_optional(&mut *write)
                .await?;
        write.commit().await?;
        Ok(removed.and_then(|bytes| TokenHash::from_bytes(&bytes)))
    }

    /// Writes when tokens were last used.
    pub(crate) async fn touch_tokens(&self, used: &[(TokenHash, i64)]) -> Result<(), SqlError> {
        self.touch("UPDATE auth_tokens SET last_used_at = $2 WHERE token_hash = $1", used).await
    }
}
