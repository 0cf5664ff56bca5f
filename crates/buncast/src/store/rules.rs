//! `rules`: the rules of each project, as JSON.

use super::Store;
use crate::error::BuncastError;
use rules::RuleList;
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use sql::SqlError;

impl Store {
    /// The rules of a project; none where none were set.
    pub(crate) async fn rules(&self, project: &ProjectId) -> Result<RuleList, BuncastError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT rules FROM rules WHERE project = $1")
            .bind(project.as_str())
            .fetch_optional(self.database.read())
            .await
            .map_err(SqlError::from)?;
        let Some((text,)) = row else { return Ok(RuleList::default()) };
        serde_json::from_str(&text).map_err(|_| BuncastError::Stored { what: "list of rules" })
    }

    /// Sets them.
    pub(crate) async fn put_rules(&self, project: &ProjectId, rules: &RuleList) -> Result<(), BuncastError> {
        let text =
            serde_json::to_string(rules).map_err(|_| BuncastError::Stored { what: "list of rules" })?;
        let mut write = self.database.write().await?;
        sqlx::query(
            "INSERT INTO rules (project, rules, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT DO UPDATE SET rules = excluded.rules, updated_at = excluded.updated_at",
        )
        .bind(project.as_str())
        .bind(text)
        .bind(now_ms())
        .execute(&mut *write)
        .await
        .map_err(SqlError::from)?;
        Ok(write.commit().await.map_err(SqlError::from)?)
    }
}
