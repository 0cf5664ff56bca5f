//! The look-ups of the stages in the framework's tables of one application: statements that SQLite and PostgreSQL both
//! take.

use super::ApplicationDatabase;
use crate::directory::{
    ApiKey, Directory, DirectoryError, KEY_USE_COARSE_MS, Organization, PlanAndFeatures, Session, User,
};
use async_trait::async_trait;
use ports::sql::SqlValue;
use service_kit::error::ErrorCode;
use service_kit::secret::TokenHash;

/// The plan of an organisation that has no running subscription.
const FREE: &str = "free";

/// The tables of one application.
pub struct TableDirectory(ApplicationDatabase);

type Row = std::vec::IntoIter<SqlValue>;

impl TableDirectory {
    /// Those of a database that has them (`ApplicationDatabase::migrate`).
    pub fn new(database: ApplicationDatabase) -> Self {
        Self(database)
    }

    async fn rows(&self, sql: &str, params: Vec<SqlValue>) -> Result<Vec<Row>, DirectoryError> {
        Ok(self.0.rows(sql, params).await?.into_iter().map(Vec::into_iter).collect())
    }

    async fn row(&self, sql: &str, params: Vec<SqlValue>) -> Result<Option<Row>, DirectoryError> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }
}

fn text(value: &str) -> SqlValue {
    SqlValue::Text(value.to_owned())
}

fn optional(value: Option<&str>) -> SqlValue {
    value.map_or(SqlValue::Null, text)
}

/// The next column as text that may be absent.
fn maybe(row: &mut Row) -> Option<String> {
    match row.next() {
        Some(SqlValue::Text(text)) => Some(text),
        _ => None,
    }
}

fn string(row: &mut Row) -> String {
    maybe(row).unwrap_or_default()
}

/// The next column as a number that may be absent.
fn number(row: &mut Row) -> Option<i64> {
    match row.next() {
        Some(SqlValue::Integer(number)) => Some(number),
        _ => None,
    }
}

#[async_trait]
impl Directory for TableDirectory {
    async fn session(&self, id: &str) -> Result<Option<Session>, DirectoryError> {
        let sql = "SELECT id, user_id, org_id, payload, created_at, expires_at, last_active_at, revoked_at, ip, \
            user_agent FROM sessions WHERE id = ?1";
        let row = self.row(sql, vec![text(id)]).await?;
        Ok(row.map(|mut row| {
            let row = &mut row;
            let (id, user_id, org_id) = (string(row), string(row), maybe(row));
            // A payload that is no object was not written by us: it says nothing.
            let payload = serde_json::from_str(&string(row)).unwrap_or_default();
            let created_at = number(row).unwrap_or_default();
            Session {
                id,
                user_id,
                org_id,
                payload,
                created_at,
                expires_at: number(row).unwrap_or_default(),
                last_active_at: number(row).unwrap_or(created_at),
                revoked_at: number(row),
                ip: maybe(row),
                user_agent: maybe(row),
            }
        }))
    }

    async fn user(&self, id: &str) -> Result<Option<User>, DirectoryError> {
        let row = self.row("SELECT id, role FROM users WHERE id = ?1", vec![text(id)]).await?;
        Ok(row.map(|mut row| User { id: string(&mut row), role: maybe(&mut row) }))
    }

    async fn find_user(&self, named: &str) -> Result<Option<User>, DirectoryError> {
        let sql = "SELECT id, role FROM users WHERE id = ?1 OR lower(email) = lower(?1)";
        let row = self.row(sql, vec![text(named)]).await?;
        Ok(row.map(|mut row| User { id: string(&mut row), role: maybe(&mut row) }))
    }

    async fn api_key(&self, hash: &TokenHash) -> Result<Option<ApiKey>, DirectoryError> {
        let sql = "SELECT id, user_id, scopes, last_used_at FROM api_keys WHERE key_hash = ?1 AND revoked_at IS NULL";
        let row = self.row(sql, vec![SqlValue::Text(hex::encode(hash.as_bytes()))]).await?;
        row.map(|mut row| {
            let (id, user_id) = (string(&mut row), string(&mut row));
            // No scopes mean no limit: what cannot be read must not become that.
            let scopes = serde_json::from_str(&string(&mut row));
            let scopes = scopes.map_err(|error| DirectoryError::new(ErrorCode::Internal, error))?;
            Ok(ApiKey { id, user_id, scopes, last_used_at: number(&mut row) })
        })
        .transpose()
    }

    async fn touch_api_key(&self, id: &str, now_ms: i64) -> Result<(), DirectoryError> {
        let sql = "UPDATE api_keys SET last_used_at = ?2 \
            WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?3)";
        let params = vec![text(id), SqlValue::Integer(now_ms), SqlValue::Integer(now_ms - KEY_USE_COARSE_MS)];
        self.rows(sql, params).await.map(drop)
    }

    async fn membership(&self, user_id: &str, org_id: &str) -> Result<Option<String>, DirectoryError> {
        let sql = "SELECT role FROM org_memberships WHERE user_id = ?1 AND org_id = ?2";
        let row = self.row(sql, vec![text(user_id), text(org_id)]).await?;
        Ok(row.and_then(|mut row| maybe(&mut row)))
    }

    async fn organization(&self, id: &str) -> Result<Option<Organization>, DirectoryError> {
        let sql = "SELECT id, slug, name, (SELECT count(*) FROM org_memberships WHERE org_id = ?1) \
            FROM organizations WHERE id = ?1";
        let row = self.row(sql, vec![text(id)]).await?;
        Ok(row.map(|mut row| Organization {
            id: string(&mut row),
            slug: string(&mut row),
            name: string(&mut row),
            member_count: number(&mut row).unwrap_or_default().unsigned_abs(),
        }))
    }

    async fn plan_and_features(&self, org_id: &str, now_ms: i64) -> Result<PlanAndFeatures, DirectoryError> {
        let sql = "SELECT plan_key FROM subscriptions WHERE org_id = ?1 \
            AND (status = 'active' OR (status = 'trialing' AND trial_ends_at > ?2)) \
            ORDER BY created_at DESC LIMIT 1";
        let row = self.row(sql, vec![text(org_id), SqlValue::Integer(now_ms)]).await?;
        let plan = row.and_then(|mut row| maybe(&mut row)).unwrap_or_else(|| FREE.to_owned());
        let sql = "SELECT features.key FROM features \
            JOIN plan_features ON plan_features.feature_id = features.id \
            JOIN plans ON plans.id = plan_features.plan_id WHERE plans.key = ?1 ORDER BY features.key";
        let rows = self.rows(sql, vec![text(&plan)]).await?;
        Ok(PlanAndFeatures { plan, features: rows.into_iter().map(|mut row| string(&mut row)).collect() })
    }

    async fn permissions_of(&self, roles: &[&str]) -> Result<Vec<String>, DirectoryError> {
        let places: Vec<_> = (1..=roles.len()).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "SELECT DISTINCT permissions.key FROM permissions \
            JOIN role_permissions ON role_permissions.permission_id = permissions.id \
            JOIN roles ON roles.id = role_permissions.role_id \
            WHERE roles.key IN ({}) ORDER BY permissions.key",
            places.join(", ")
        );
        let rows = self.rows(&sql, roles.iter().map(|role| text(role)).collect()).await?;
        Ok(rows.into_iter().map(|mut row| string(&mut row)).collect())
    }

    async fn insert_session(&self, session: &Session) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO sessions (id, user_id, org_id, payload, created_at, expires_at, last_active_at, \
            revoked_at, ip, user_agent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CAST(?8 AS BIGINT), ?9, ?10)";
        let params = vec![
            text(&session.id),
            text(&session.user_id),
            optional(session.org_id.as_deref()),
            SqlValue::Text(serde_json::json!(session.payload).to_string()),
            SqlValue::Integer(session.created_at),
            SqlValue::Integer(session.expires_at),
            SqlValue::Integer(session.last_active_at),
            session.revoked_at.map_or(SqlValue::Null, SqlValue::Integer),
            optional(session.ip.as_deref()),
            optional(session.user_agent.as_deref()),
        ];
        self.rows(sql, params).await.map(drop)
    }

    async fn revoke_session(&self, id: &str, now_ms: i64) -> Result<(), DirectoryError> {
        let sql = "UPDATE sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        self.rows(sql, vec![text(id), SqlValue::Integer(now_ms)]).await.map(drop)
    }

    async fn touch_session(&self, id: &str, now_ms: i64, expires_at: i64) -> Result<(), DirectoryError> {
        let sql = "UPDATE sessions SET last_active_at = ?2, expires_at = ?3 WHERE id = ?1";
        let params = vec![text(id), SqlValue::Integer(now_ms), SqlValue::Integer(expires_at)];
        self.rows(sql, params).await.map(drop)
    }
}
