//! `job_instances`: the processes that share the tables, and when each was seen. Times are those of the database, so
//! that the clocks of the processes need not agree. And what they agree on. On PostgreSQL alone.

use super::Store;
use service_kit::ids::ProjectId;
use sql::SqlError;
use sql::shared::{SharedDatabase, SharedWrite};
use sqlx::postgres::PgListener;

/// Where instances tell each other what is new.
const CHANNEL: &str = "bunbase_jobs";
/// The lock of what instances do one after the other.
const LOCK: i64 = 0x6a6f_6273;
/// Milliseconds after which an instance that was not seen is taken to be gone.
pub(crate) const LEASE_MS: i64 = 30_000;

const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)";

/// Renews the lease of an instance, and keeps it until the transaction ends; says whether it had one.
pub(crate) async fn renew(write: &mut SharedWrite, instance: &str) -> Result<bool, SqlError> {
    let query = write.query(format!("UPDATE job_instances SET seen_at = {NOW} WHERE id = $1"));
    Ok(query.bind(instance).execute().await? > 0)
}

/// Gives an instance a lease.
pub(crate) async fn insert(write: &mut SharedWrite, instance: &str) -> Result<(), SqlError> {
    let query = write.query(format!("INSERT INTO job_instances (id, seen_at) VALUES ($1, {NOW})"));
    query.bind(instance).execute().await?;
    Ok(())
}

/// Removes instances whose lease is over, but for those in the middle of a transaction.
pub(crate) async fn expire(write: &mut SharedWrite) -> Result<Vec<String>, SqlError> {
    let query = write.query(format!(
        "DELETE FROM job_instances WHERE id IN (SELECT id FROM job_instances
         WHERE seen_at < {NOW} - $1 FOR UPDATE SKIP LOCKED) RETURNING id"
    ));
    super::texts(query.bind(LEASE_MS)).await
}

/// Waits for the transactions of other instances that asked for this, too.
pub(crate) async fn exclude(write: &mut SharedWrite) -> Result<(), SqlError> {
    let query = write.query("SELECT CAST(1 AS bigint) FROM pg_advisory_xact_lock($1)");
    query.bind(LOCK).execute().await?;
    Ok(())
}

/// Tells the other instances, once the transaction is committed.
pub(crate) async fn notify(write: &mut SharedWrite, notices: &[&str]) -> Result<(), SqlError> {
    let query = write.query("SELECT count(pg_notify($1, notice)) FROM unnest($2) AS notice");
    query.bind(CHANNEL).bind_list(notices).execute().await?;
    Ok(())
}

impl Store {
    /// The project of an application: `own`, unless another process was first.
    pub(crate) async fn project_of(&self, application: &str, own: &ProjectId) -> Result<ProjectId, SqlError> {
        let mut write = self.database.write().await?;
        let sql = "INSERT INTO job_projects (application, project) VALUES ($1, $2)
                   ON CONFLICT (application) DO NOTHING";
        write.query(sql).bind(application).bind(own.as_str()).execute().await?;
        let query = write.query("SELECT project FROM job_projects WHERE application = $1").bind(application);
        let (project,) = query.one::<(String,)>().await?;
        write.commit().await?;
        ProjectId::parse(&project).map_err(super::undecodable)
    }

    /// When the next delayed job, and the next schedule are due.
    pub(crate) async fn next(&self) -> Result<(Option<i64>, Option<i64>), SqlError> {
        let sql = "SELECT (SELECT min(run_at) FROM job_queue WHERE state = 'delayed'),
                   (SELECT min(fire_at) FROM schedules WHERE fire_at IS NOT NULL)";
        self.database.read().await?.query(sql).one().await
    }

    /// What other instances say; `None` where there are none.
    pub(crate) async fn listen(&self) -> Result<Option<PgListener>, SqlError> {
        match &self.database {
            SharedDatabase::Sqlite(_) => Ok(None),
            SharedDatabase::Postgres(schema) => schema.listen(CHANNEL).await.map(Some),
        }
    }
}
