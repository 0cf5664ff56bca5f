//! `audit_entries`: one row per change, in the order they were made. A row does not refer to its project,
//! which may be gone; accounts stand in it by id.

use super::Store;
use super::keys::kind_text;
use ports::access::Caller;
use ports::audit::AuditEntry;
use sql::SqlError;
use sqlx::{QueryBuilder, Sqlite};

/// Entries that one transaction removes.
const SWEPT_MAX: u32 = 1_000;

/// Who did it, as it is stored.
struct Actor<'a> {
    kind: &'static str,
    id: Option<&'a str>,
    role: Option<&'static str>,
    token: Option<&'a str>,
}

impl<'a> Actor<'a> {
    fn of(caller: &'a Caller) -> Self {
        let plain = |kind| Self { kind, id: None, role: None, token: None };
        match caller {
            Caller::Nobody => plain("nobody"),
            Caller::Developer { user, role, token } => Self {
                kind: "developer",
                id: Some(user.as_str()),
                role: role.map(|role| role.as_str()),
                token: token.as_ref().map(|token| token.as_str()),
            },
            Caller::Key { id, kind } => {
                let kind = if kind_text(*kind) == "public" { "public_key" } else { "secret_key" };
                Self { id: Some(id.as_str()), ..plain(kind) }
            }
            Caller::Function => plain("function"),
            Caller::Operator => plain("operator"),
        }
    }
}

impl Store {
    /// Keeps one entry; on disk when this returns.
    pub(crate) async fn insert_audit(&self, entry: &AuditEntry, now: i64) -> Result<(), SqlError> {
        let actor = Actor::of(&entry.caller);
        let target = serde_json::to_string(&entry.target).unwrap_or_default();
        let mut write = self.database.write().await?;
        sqlx::query(
            "INSERT INTO audit_entries (at, project, actor_kind, actor, role, token, action, summary, target,
                                        status, address, user_agent, request_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(now)
        .bind(entry.project.as_ref().map(|project| project.as_str()))
        .bind(actor.kind)
        .bind(actor.id)
        .bind(actor.role)
        .bind(actor.token)
        .bind(&entry.action)
        .bind(&entry.summary)
        .bind(target)
        .bind(entry.status)
        .bind(entry.address.as_deref())
        .bind(entry.user_agent.as_deref())
        .bind(entry.request_id.as_deref())
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }
}

/// An entry as it is read.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct AuditRow {
    pub(crate) number: i64,
    pub(crate) at: i64,
    pub(crate) project: Option<String>,
    pub(crate) actor_kind: String,
    pub(crate) actor: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) action: String,
    pub(crate) summary: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) address: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditFilter {
    /// Of one project.
    pub(crate) project: Option<String>,
    /// By one account or key.
    pub(crate) actor: Option<String>,
    /// Whose action contains this text.
    pub(crate) action: Option<String>,
    /// Not before, in ms.
    pub(crate) since: Option<i64>,
    /// Before, in ms.
    pub(crate) until: Option<i64>,
}

impl AuditFilter {
    fn query(&self, before: i64) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new(
            "SELECT number, at, project, actor_kind, actor, role, token, action, summary, target, status,
                    address, user_agent, request_id
             FROM audit_entries WHERE number < ",
        );
        query.push_bind(before);
        if let Some(project) = &self.project {
            query.push(" AND project = ").push_bind(project.clone());
        }
        if let Some(actor) = &self.actor {
            query.push(" AND actor = ").push_bind(actor.clone());
        }
        if let Some(action) = &self.action {
            query.push(" AND instr(action, ").push_bind(action.clone()).push(") > 0");
        }
        if let Some(since) = self.since {
            query.push(" AND at >= ").push_bind(since);
        }
        if let Some(until) = self.until {
            query.push(" AND at < ").push_bind(until);
        }
        query
    }
}

impl Store {
    /// The newest entries numbered below `before`, the newest first.
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditRow>, SqlError> {
        let mut query = filter.query(before);
        query.push(" ORDER BY number DESC LIMIT ").push_bind(limit);
        Ok(query.build_query_as().fetch_all(self.database.read()).await?)
    }

    /// Removes entries older than `start`, as many as one transaction may hold the writer for; says how
    /// many went.
    pub(crate) async fn sweep_audit(&self, start: i64) -> Result<u64, SqlError> {
        let mut write = self.database.write().await?;
        let swept = sqlx::query(
            "DELETE FROM audit_entries WHERE number IN
             (SELECT number FROM audit_entries WHERE at < $1 ORDER BY at LIMIT $2)",
        )
        .bind(start)
        .bind(SWEPT_MAX)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(swept.rows_affected())
    }
}
