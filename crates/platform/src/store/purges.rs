//! `project_tombstones` and `project_purges`: what is left to remove of deleted projects, store by store.

use super::Store;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// A project that a store has still to remove.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Purge {
    pub(crate) project: String,
    pub(crate) attempts: u32,
    pub(crate) due_at: i64,
}

/// What the answer of a store means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Other stores have still to answer in this round.
    OthersWait,
    /// It was the last of the first round, and the second has a time.
    SecondRound,
    /// It was the last of the second round, and the tombstone is gone.
    Removed,
}

/// When a second round begins that waits for the first to end.
const NOT_YET: i64 = i64::MAX;

/// Leaves a tombstone; without `stores` there is nothing left to remove, and none.
pub(super) async fn insert_tombstone(
    write: &mut Write,
    project: &ProjectId,
    stores: &[&str],
    now: i64,
) -> Result<(), SqlError> {
    if stores.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO project_tombstones (project, deleted_at) VALUES ($1, $2)")
        .bind(project.as_str())
        .bind(now)
        .execute(&mut **write)
        .await?;
    for store in stores {
        sqlx::query("INSERT INTO project_purges (project, store, attempts, due_at) VALUES ($1, $2, 0, $3)")
            .bind(project.as_str())
            .bind(*store)
            .bind(now)
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

impl Store {
    /// Makes everything due: after a restart nothing waits for an old backoff. Gives the stores that are
    /// waited for.
    pub(crate) async fn resume_purges(&self) -> Result<Vec<String>, SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query(
            "UPDATE project_purges SET due_at = 0 WHERE round = 1 OR NOT EXISTS (
                SELECT 1 FROM project_purges AS other
                WHERE other.project = project_purges.project AND other.round = 1)",
        )
        .execute(&mut *write)
        .await?;
        let stores = sqlx::query_scalar("SELECT DISTINCT store FROM project_purges ORDER BY store")
            .fetch_all(&mut *write)
            .await?;
        write.commit().await?;
        Ok(stores)
    }

    /// The next project that `store` has to remove.
    pub(crate) async fn next_purge(&self, store: &str) -> Result<Option<Purge>, SqlError> {
        let sql = "SELECT project, attempts, due_at FROM project_purges
                   WHERE store = $1 ORDER BY due_at, project LIMIT 1";
        Ok(sqlx::query_as(sql).bind(store).fetch_optional(self.database.read()).await?)
    }

    /// Notes that `store` has removed a project. The second round, when all have, begins at `again_at`.
    pub(crate) async fn finish_purge(
        &self,
        store: &str,
        project: &str,
        again_at: i64,
    ) -> Result<Answered, SqlError> {
        let mut write = self.database.write().await?;
        let first = sqlx::query(
            "UPDATE project_purges SET round = 2, attempts = 0, due_at = $3
             WHERE store = $1 AND project = $2 AND round = 1",
        )
        .bind(store)
        .bind(project)
        .bind(NOT_YET)
        .execute(&mut *write)
        .await?;
        let answered = if first.rows_affected() == 1 {
            begin_second_round(&mut write, project, again_at).await?
        } else {
            end_second_round(&mut write, store, project).await?
        };
        write.commit().await?;
        Ok(answered)
    }

    /// Notes that `store` could not remove a project, and when it is asked again.
    pub(crate) async fn postpone_purge(&self, store: &str, purge: &Purge) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query("UPDATE project_purges SET attempts = $3, due_at = $4 WHERE store = $1 AND project = $2")
            .bind(store)
            .bind(&purge.project)
            .bind(purge.attempts)
            .bind(purge.due_at)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }
}

async fn begin_second_round(write: &mut Write, project: &str, again_at: i64) -> Result<Answered, SqlError> {
    let begun = sqlx::query(
        "UPDATE project_purges SET due_at = $2 WHERE project = $1
         AND NOT EXISTS (SELECT 1 FROM project_purges WHERE project = $1 AND round = 1)",
    )
    .bind(project)
    .bind(again_at)
    .execute(&mut **write)
    .await?;
    Ok(if begun.rows_affected() > 0 { Answered::SecondRound } else { Answered::OthersWait })
}

async fn end_second_round(write: &mut Write, store: &str, project: &str) -> Result<Answered, SqlError> {
    sqlx::query("DELETE FROM project_purges WHERE store = $1 AND project = $2")
        .bind(store)
        .bind(project)
        .execute(&mut **write)
        .await?;
    let buried = sqlx::query(
        "DELETE FROM project_tombstones WHERE project = $1
         AND NOT EXISTS (SELECT 1 FROM project_purges WHERE project = $1)",
    )
    .bind(project)
    .execute(&mut **write)
    .await?;
    Ok(if buried.rows_affected() == 1 { Answered::Removed } else { Answered::OthersWait })
}
