//! Passwords in `auth_accounts`, and `auth_resets`: links that set a new one, kept as hashes only.

use super::{Store, hashes};
use service_kit::ids::UserId;
use service_kit::secret::TokenHash;
use sql::{SqlError, Write};

/// A new password for an account whose password is known. No `Debug`.
pub(crate) struct PasswordChange<'a> {
    pub(crate) account: &'a UserId,
    /// What the password was checked against.
    pub(crate) old_hash: &'a str,
    pub(crate) new_hash: &'a str,
    /// The session that goes on.
    pub(crate) kept: &'a TokenHash,
}

/// A link to be kept.
pub(crate) struct NewReset<'a> {
    pub(crate) token_hash: TokenHash,
    pub(crate) account: &'a str,
    pub(crate) expires_at: i64,
}

impl Store {
    /// Changes a password and ends all other sessions, whose hashes these are; `None` where the password
    /// was changed meanwhile.
    pub(crate) async fn change_password(
        &self,
        change: &PasswordChange<'_>,
    ) -> Result<Option<Vec<TokenHash>>, SqlError> {
        let mut write = self.database.write().await?;
        let changed =
            sqlx::query("UPDATE auth_accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
                .bind(change.account.as_str())
                .bind(change.old_hash)
                .bind(change.new_hash)
                .execute(&mut *write)
                .await?;
        if changed.rows_affected() == 0 {
            return Ok(None);
        }
        let ended: Vec<Vec<u8>> = sqlx::query_scalar(
            "DELETE FROM auth_sessions WHERE account = $1 AND token_hash <> $2 RETURNING token_hash",
        )
        .bind(change.account.as_str())
        .bind(change.kept.as_bytes())
        .fetch_all(&mut *write)
        .await?;
        delete_resets(&mut write, change.account.as_str()).await?;
        write.commit().await?;
        Ok(Some(hashes(&ended)))
    }

    /// Keeps a link.
    pub(crate) async fn create_reset(&self, new: &NewReset<'_>) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query("INSERT INTO auth_resets (token_hash, account, expires_at) VALUES ($1, $2, $3)")
            .bind(new.token_hash.as_bytes())
            .bind(new.account)
            .bind(new.expires_at)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Whether a link can be used at `now`.
    pub(crate) async fn has_reset(&self, token: &TokenHash, now: i64) -> Result<bool, SqlError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM auth_resets WHERE token_hash = $1 AND expires_at > $2)";
        let query = sqlx::query_scalar(sql).bind(token.as_bytes()).bind(now);
        Ok(query.fetch_one(self.database.read()).await?)
    }

    /// Uses a link: sets the password, ends every session and every other link of the account. The account
    /// and the hashes of its sessions; `None` where the link was used before or is too old. The first
    /// statement decides, however many ask at once.
    pub(crate) async fn use_reset(
        &self,
        token: &TokenHash,
        new_hash: &str,
        now: i64,
    ) -> Result<Option<(String, Vec<TokenHash>)>, SqlError> {
        let mut write = self.database.write().await?;
        let account: Option<String> = sqlx::query_scalar(
            "DELETE FROM auth_resets WHERE token_hash = $1 AND expires_at > $2 RETURNING account",
        )
        .bind(token.as_bytes())
        .bind(now)
        .fetch_optional(&mut *write)
        .await?;
        let Some(account) = account else { return Ok(None) };
        sqlx::query("UPDATE auth_accounts SET password_hash = $2 WHERE id = $1")
            .bind(&account)
            .bind(new_hash)
            .execute(&mut *write)
            .await?;
        let ended: Vec<Vec<u8>> =
            sqlx::query_scalar("DELETE FROM auth_sessions WHERE account = $1 RETURNING token_hash")
                .bind(&account)
                .fetch_all(&mut *write)
                .await?;
        delete_resets(&mut write, &account).await?;
        write.commit().await?;
        Ok(Some((account, hashes(&ended))))
    }
}

async fn delete_resets(write: &mut Write, account: &str) -> Result<(), SqlError> {
    sqlx::query("DELETE FROM auth_resets WHERE account = $1").bind(account).execute(&mut **write).await?;
    Ok(())
}
