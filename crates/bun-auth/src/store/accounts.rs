//! `auth_accounts`.

use super::Store;
use credentials::Email;
use service_kit::ids::UserId;
use sql::SqlError;

/// Parameters of one statement; SQLite takes 32,766.
const PARAMETERS_MAX: usize = 500;

/// An account as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) is_instance_admin: bool,
    pub(crate) created_at: i64,
}

/// An account with what its password is checked against. No `Debug`.
#[derive(sqlx::FromRow)]
pub(crate) struct KnownAccount {
    #[sqlx(flatten)]
    pub(crate) account: Account,
    pub(crate) password_hash: String,
}

/// An account to be made. No `Debug`.
pub(crate) struct NewAccount {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) created_at: i64,
}

impl Store {
    /// Whether there is any account.
    pub(crate) async fn has_accounts(&self) -> Result<bool, SqlError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM auth_accounts)";
        Ok(sqlx::query_scalar(sql).fetch_one(self.database.read()).await?)
    }

    /// Makes the first account, an administrator's; `None` where there is one.
    pub(crate) async fn create_first_account(&self, new: NewAccount) -> Result<Option<Account>, SqlError> {
        let mut write = self.database.write().await?;
        let inserted = sqlx::query(
            "INSERT INTO auth_accounts (id, email, name, password_hash, is_instance_admin, created_at)
             SELECT $1, $2, $3, $4, TRUE, $5 WHERE NOT EXISTS (SELECT 1 FROM auth_accounts)",
        )
        .bind(new.id.as_str())
        .bind(new.email.as_str())
        .bind(&new.name)
        .bind(&new.password_hash)
        .bind(new.created_at)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok((inserted.rows_affected() == 1).then(|| new.into_account(Standing::Administrator)))
    }

    /// Makes an account; `None` where the e-mail address has one.
    pub(crate) async fn create_account(&self, new: NewAccount) -> Result<Option<Account>, SqlError> {
        let mut write = self.database.write().await?;
        let inserted = sqlx::query(
            "INSERT INTO auth_accounts (id, email, name, password_hash, is_instance_admin, created_at)
             VALUES ($1, $2, $3, $4, FALSE, $5) ON CONFLICT (email) DO NOTHING",
        )
        .bind(new.id.as_str())
        .bind(new.email.as_str())
        .bind(&new.name)
        .bind(&new.password_hash)
        .bind(new.created_at)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok((inserted.rows_affected() == 1).then(|| new.into_account(Standing::Ordinary)))
    }

    /// The account of an e-mail address.
    pub(crate) async fn account_by_email(&self, email: &Email) -> Result<Option<KnownAccount>, SqlError> {
        let sql = "SELECT id, email, name, is_instance_admin, created_at, password_hash
                   FROM auth_accounts WHERE email = $1";
        Ok(sqlx::query_as(sql).bind(email.as_str()).fetch_optional(self.database.read()).await?)
    }

    /// One account with what its password is checked against.
    pub(crate) async fn known_account(&self, id: &UserId) -> Result<Option<KnownAccount>, SqlError> {
        let sql = "SELECT id, email, name, is_instance_admin, created_at, password_hash
                   FROM auth_accounts WHERE id = $1";
        Ok(sqlx::query_as(sql).bind(id.as_str()).fetch_optional(self.database.read()).await?)
    }

    /// Gives an account another name; `None` where there is no such account.
    pub(crate) async fn rename(&self, id: &UserId, name: &str) -> Result<Option<Account>, SqlError> {
        let mut write = self.database.write().await?;
        let renamed = sqlx::query_as(
            "UPDATE auth_accounts SET name = $2 WHERE id = $1
             RETURNING id, email, name, is_instance_admin, created_at",
        )
        .bind(id.as_str())
        .bind(name)
        .fetch_optional(&mut *write)
        .await?;
        write.commit().await?;
        Ok(renamed)
    }

    /// Those of some accounts that exist.
    pub(crate) async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, SqlError> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(PARAMETERS_MAX) {
            let select =
                "SELECT id, email, name, is_instance_admin, created_at FROM auth_accounts WHERE id IN (";
            let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(select);
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(id.as_str());
            }
            query.push(")");
            found.extend(query.build_query_as::<Account>().fetch_all(self.database.read()).await?);
        }
        Ok(found)
    }

    /// One account.
    pub(crate) async fn account(&self, id: &UserId) -> Result<Option<Account>, SqlError> {
        let sql = "SELECT id, email, name, is_instance_admin, created_at FROM auth_accounts WHERE id = $1";
        Ok(sqlx::query_as(sql).bind(id.as_str()).fetch_optional(self.database.read()).await?)
    }
}

#[derive(Clone, Copy)]
enum Standing {
    Administrator,
    Ordinary,
}

impl NewAccount {
    fn into_account(self, standing: Standing) -> Account {
        Account {
            id: self.id.as_str().to_owned(),
            email: self.email.as_str().to_owned(),
            name: self.name,
            is_instance_admin: matches!(standing, Standing::Administrator),
            created_at: self.created_at,
        }
    }
}
