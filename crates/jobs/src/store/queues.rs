//! `job_queue_settings`: queues that are paused or have a limit.

use crate::names::QueueName;
use service_kit::ids::ProjectId;
use sql::SqlError;
use sql::shared::SharedWrite;

/// Settings of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// Whether nothing new of it is run.
    pub paused: bool,
    /// How many of its jobs run at once, at least 1; `None` for as many as there are slots.
    pub concurrency_max: Option<u32>,
}

/// Project, queue, paused (0 or 1), limit.
pub(crate) type SettingsRow = (String, String, i64, Option<i64>);

/// Settings of a row.
pub(crate) fn settings(paused: i64, concurrency_max: Option<i64>) -> QueueSettings {
    QueueSettings {
        paused: paused != 0,
        concurrency_max: concurrency_max.and_then(|max| u32::try_from(max).ok()),
    }
}

/// All settings of all projects.
pub(crate) async fn all(write: &mut SharedWrite) -> Result<Vec<SettingsRow>, SqlError> {
    let sql = "SELECT project, queue, paused, concurrency_max FROM job_queue_settings";
    write.query(sql).all().await
}

/// The settings of a queue.
pub(crate) async fn read(
    write: &mut SharedWrite,
    project: &ProjectId,
    queue: &QueueName,
) -> Result<QueueSettings, SqlError> {
    let sql = "SELECT paused, concurrency_max FROM job_queue_settings WHERE project = $1 AND queue = $2";
    let query = write.query(sql).bind(project.as_str()).bind(queue.as_str());
    let found: Option<(i64, Option<i64>)> = query.optional().await?;
    Ok(found.map_or_else(QueueSettings::default, |(paused, max)| settings(paused, max)))
}

/// How many queues of a project have settings.
pub(crate) async fn count(write: &mut SharedWrite, project: &ProjectId) -> Result<i64, SqlError> {
    let query = write.query("SELECT count(*) FROM job_queue_settings WHERE project = $1");
    Ok(query.bind(project.as_str()).one::<(i64,)>().await?.0)
}

/// Keeps settings; those that say nothing are removed.
pub(crate) async fn save(
    write: &mut SharedWrite,
    project: &ProjectId,
    queue: &QueueName,
    settings: QueueSettings,
) -> Result<(), SqlError> {
    if settings == QueueSettings::default() {
        let query = write.query("DELETE FROM job_queue_settings WHERE project = $1 AND queue = $2");
        query.bind(project.as_str()).bind(queue.as_str()).execute().await?;
        return Ok(());
    }
    let sql =
        "INSERT INTO job_queue_settings (project, queue, paused, concurrency_max) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project, queue) DO UPDATE SET paused = $3, concurrency_max = $4";
    let query = write.query(sql).bind(project.as_str()).bind(queue.as_str()).bind(i64::from(settings.paused));
    query.bind(settings.concurrency_max.map(i64::from)).execute().await?;
    Ok(())
}
