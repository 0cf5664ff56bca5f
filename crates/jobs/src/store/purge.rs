//! Removing all of a project, a share at a time.

use super::SHARE_MAX;
use service_kit::ids::ProjectId;
use sql::SqlError;
use sql::shared::SharedWrite;

/// Tables that may have many rows of a project, each with a key.
const SHARES: [&str; 6] = [
    "DELETE FROM job_queue WHERE id IN (SELECT id FROM job_queue WHERE project = $1 LIMIT $2)",
    "DELETE FROM job_failures WHERE id IN (SELECT id FROM job_failures WHERE project = $1 LIMIT $2)",
    "DELETE FROM schedule_runs WHERE id IN (SELECT id FROM schedule_runs WHERE project = $1 LIMIT $2)",
    "DELETE FROM job_keys WHERE (project, queue, unique_key) IN
     (SELECT project, queue, unique_key FROM job_keys WHERE project = $1 LIMIT $2)",
    "DELETE FROM schedules WHERE (project, name) IN
     (SELECT project, name FROM schedules WHERE project = $1 LIMIT $2)",
    "DELETE FROM event_cursors WHERE (project, source, subscriber) IN
     (SELECT project, source, subscriber FROM event_cursors WHERE project = $1 LIMIT $2)",
];

/// Removes some rows of a project; says whether there may be more.
pub(crate) async fn some(write: &mut SharedWrite, project: &ProjectId) -> Result<bool, SqlError> {
    let mut more = false;
    for sql in SHARES {
        let done = write.query(sql).bind(project.as_str()).bind(SHARE_MAX).execute().await?;
        more |= done == SHARE_MAX as u64;
    }
    let query = write.query("DELETE FROM job_queue_settings WHERE project = $1");
    query.bind(project.as_str()).execute().await?;
    Ok(more)
}
