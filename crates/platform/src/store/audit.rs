//! `audit_entries`: one row per change, in the order they were made. A row does not refer to its project,
//! which may be gone; readable ids stand in it, never names or addresses of accounts.

use super::Store;
use super::keys::kind_text;
use ports::access::Caller;
use ports::audit::AuditEntry;
use sql::SqlError;

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
