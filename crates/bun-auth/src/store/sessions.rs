//! `auth_sessions`: a token is kept as its hash only.

use super::{Store, hashes};
use service_kit::ids::{SessionId, UserId};
use service_kit::secret::TokenHash;
use sql::SqlError;

/// A session to be kept. No `Debug`.
pub(crate) struct NewSession<'a> {
    pub(crate) token_hash: TokenHash,
    pub(crate) account: &'a str,
    /// The password that was checked: once it was changed, the session is not opened any more.
    pub(crate) password_hash: &'a str,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) address: Option<String>,
    pub(crate) user_agent: Option<&'a str>,
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

/// A session as its account sees it.
#[derive(sqlx::FromRow)]
pub(crate) struct ShownSession {
    pub(crate) token_hash: Vec<u8>,
    pub(crate) id: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) address: Option<String>,
    pub(crate) user_agent: Option<String>,
}

impl Store {
    /// Keeps a session; `None` where the password was changed meanwhile. The account's oldest end where
    /// there are too many; theirs are the hashes.
    pub(crate) async fn create_session(
        &self,
        new: &NewSession<'_>,
    ) -> Result<Option<Vec<TokenHash>>, SqlError> {
        let mut write = self.database.write().await?;
        let inserted = sqlx::query(
            "INSERT INTO auth_sessions
                (token_hash, id, account, created_at, expires_at, last_used_at, address, user_agent)
             SELECT $1, $2, id, $4, $5, $4, $6, $7 FROM auth_accounts WHERE id = $3 AND password_hash = $8",
        )
        .bind(new.token_hash.as_bytes())
        .bind(SessionId::generate().as_str())
        .bind(new.account)
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(&new.address)
        .bind(new.user_agent)
        .bind(new.password_hash)
        .execute(&mut *write)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(None);
        }
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
        Ok(Some(hashes(&ended)))
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

    /// The sessions of an account that have not expired at `now`, the newest first.
    pub(crate) async fn sessions_of(
        &self,
        account: &UserId,
        now: i64,
    ) -> Result<Vec<ShownSession>, SqlError> {
        let sql = "SELECT token_hash, id, created_at, last_used_at, address, user_agent FROM auth_sessions
                   WHERE account = $1 AND expires_at > $2 ORDER BY id DESC";
        let query = sqlx::query_as(sql).bind(account.as_str()).bind(now);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// Ends the session of a token.
    pub(crate) async fn delete_session(&self, token: &TokenHash) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query("DELETE FROM auth_sessions WHERE token_hash = $1")
            .bind(token.as_bytes())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Ends one session of an account; `None` where it has no such session.
    pub(crate) async fn delete_session_of(
        &self,
        account: &UserId,
        session: &SessionId,
    ) -> Result<Option<TokenHash>, SqlError> {
        let mut write = self.database.write().await?;
        let ended: Option<Vec<u8>> = sqlx::query_scalar(
            "DELETE FROM auth_sessions WHERE account = $1 AND id = $2 RETURNING token_hash",
        )
        .bind(account.as_str())
        .bind(session.as_str())
        .fetch_optional(&mut *write)
        .await?;
        write.commit().await?;
        Ok(ended.and_then(|bytes| TokenHash::from_bytes(&bytes)))
    }

    /// Ends every session of an account but that of `kept`.
    pub(crate) async fn delete_sessions_but(
        &self,
        account: &UserId,
        kept: &TokenHash,
    ) -> Result<Vec<TokenHash>, SqlError> {
        let mut write = self.database.write().await?;
        let ended: Vec<Vec<u8>> = sqlx::query_scalar(
            "DELETE FROM auth_sessions WHERE account = $1 AND token_hash <> $2 RETURNING token_hash",
        )
        .bind(account.as_str())
        .bind(kept.as_bytes())
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        Ok(hashes(&ended))
    }

    /// Writes when sessions were last used.
    pub(crate) async fn touch_sessions(&self, used: &[(TokenHash, i64)]) -> Result<(), SqlError> {
        self.touch("UPDATE auth_sessions SET last_used_at = $2 WHERE token_hash = $1", used).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{NewAccount, NewReset};
    use credentials::Email;
    use secrecy::SecretString;
    use sql::{Database, Durability};

    fn hash(text: &str) -> TokenHash {
        TokenHash::of(&SecretString::from(text))
    }

    #[tokio::test]
    async fn a_password_that_was_changed_while_it_was_checked_opens_no_session() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("t.db"), Durability::Full).await.unwrap();
        let store = Store::open(database).await.unwrap();
        let account = NewAccount {
            id: UserId::generate(),
            email: Email::parse("ada@example.com").unwrap(),
            name: "Ada".into(),
            password_hash: "old".into(),
            created_at: 1,
        };
        let account = store.create_first_account(account).await.unwrap().unwrap();
        let session = |token: &str, password_hash: &'static str| NewSession {
            token_hash: hash(token),
            account: &account.id,
            password_hash,
            created_at: 1,
            expires_at: 100,
            address: None,
            user_agent: None,
            sessions_max: 10,
        };
        assert!(store.create_session(&session("a", "old")).await.unwrap().is_some());
        let reset = NewReset { token_hash: hash("link"), account: &account.id, expires_at: 100 };
        store.create_reset(&reset).await.unwrap();
        let (_, ended) = store.use_reset(&hash("link"), "new", 2).await.unwrap().unwrap();
        assert!(ended == [hash("a")]);
        assert!(store.create_session(&session("b", "old")).await.unwrap().is_none());
        assert!(store.create_session(&session("c", "new")).await.unwrap().is_some());
    }
}
