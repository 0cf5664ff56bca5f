//! `job_queue_settings`: queues that are paused or have a limit.

use crate::names::QueueName;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// Settings of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// Whether nothing new of it is run.
    pub paused: bool,
    /// How many of its jobs run at once, at least 1; `None` for as many as there are slots.
    pub concurrency_max: Option<u32>,
}

/// Project, queue, paused, limit.
pub(crate) type SettingsRow = (String, String, bool, Option<i64>);

/// Settings of a row.
pub(crate) fn settings(paused: bool, concurrency_max: Option<i64>) -> QueueSettings {
    QueueSettings { paused, concurrency_max: concurrency_max.and_then(|max| u32::try_from(max).ok()) }
}

/// All settings of all projects.
pub(crate) async fn all(write: &mut Write) -> Result<Vec<SettingsRow>, SqlError> {
    let sql = "SELECT project, queue, paused, concurrency_max FROM job_queue_settings";
    Ok(sqlx::query_as(sql).fetch_all(&mut **write).await?)
}

/// How many queues of a project have settings.
pub(crate) async fn count(write: &mut Write, project: &ProjectId) -> Result<i64, SqlError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM job_queue_settings WHERE project = $1");
    Ok(query.bind(project.as_str()).fetch_one(&mut **write).await?)
}

/// Keeps settings; those that say nothing are removed.
pub(crate) async fn save(
    write: &mut Write,
    project: &ProjectId,
    queue: &QueueName,
    settings: QueueSettings,
) -> Result<(), SqlError> {
    if settings == QueueSettings::default() {
        let query = sqlx::query("DELETE FROM job_queue_settings WHERE project = $1 AND queue = $2");
        query.bind(project.as_str()).bind(queue.as_str()).execute(&mut **write).await?;
        return Ok(());
    }
    let sql =
        "INSERT INTO job_queue_settings (project, queue, paused, concurrency_max) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project, queue) DO UPDATE SET paused = $3, concurrency_max = $4";
    let query = sqlx::query(sql).bind(project.as_str()).bind(queue.as_str()).bind(settings.paused);
    query.bind(settings.concurrency_max).execute(&mut **write).await?;
    Ok(())
}
