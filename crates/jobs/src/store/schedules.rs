//! `schedules`: what fires when.

use super::{Store, signed, undecodable};
use crate::job::{JobOptions, JobSpec};
use crate::names::{QueueName, ScheduleName};
use crate::schedule::{CatchUp, NewSchedule, Overlap, Schedule, When};
use serde::{Deserialize, Serialize};
use service_kit::ids::ProjectId;
use sql::SqlError;
use sql::shared::SharedWrite;
use std::borrow::Cow;

/// Schedules that one cycle fires.
pub(crate) const DUE_MAX: i64 = 100;

/// The part of a schedule that no statement asks for.
#[derive(Serialize, Deserialize)]
struct Settings<'a> {
    when: Cow<'a, When>,
    jitter_ms: u64,
    overlap: Overlap,
    catch_up: CatchUp,
    job: Cow<'a, JobOptions>,
}

/// A stored schedule.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ScheduleRow {
    pub(crate) project: String,
    name: String,
    settings: String,
    queue: String,
    payload: Vec<u8>,
    paused: i64,
    anchor: i64,
    next_at: Option<i64>,
    last_at: Option<i64>,
    created_at: i64,
}

const COLUMNS: &str = "project, name, settings, queue, payload, paused, anchor, next_at, last_at, created_at";

impl ScheduleRow {
    pub(crate) fn schedule(self) -> Result<Schedule, SqlError> {
        let settings: Settings<'_> = serde_json::from_str(&self.settings).map_err(undecodable)?;
        let saved = NewSchedule {
            name: ScheduleName::stored(&self.name),
            when: settings.when.into_owned(),
            jitter_ms: settings.jitter_ms,
            overlap: settings.overlap,
            catch_up: settings.catch_up,
            job: JobSpec {
                queue: QueueName::stored(&self.queue),
                payload: self.payload.into(),
                options: settings.job.into_owned(),
            },
        };
        Ok(Schedule {
            saved,
            paused: self.paused != 0,
            next_at_ms: self.next_at,
            last_at_ms: self.last_at,
            created_at_ms: self.created_at,
            anchor_ms: self.anchor,
        })
    }
}

fn select(filter: &str) -> String {
    format!("SELECT {COLUMNS} FROM schedules WHERE {filter}")
}

impl Store {
    /// One schedule.
    pub(crate) async fn schedule(
        &self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Option<Schedule>, SqlError> {
        let mut read = self.database.read().await?;
        let query = read.query(select("project = $1 AND name = $2"));
        let row = query.bind(project.as_str()).bind(name.as_str()).optional().await?;
        row.map(ScheduleRow::schedule).transpose()
    }

    /// Schedules of a project after a name, in the order of their names.
    pub(crate) async fn schedules(
        &self,
        project: &ProjectId,
        after: Option<&ScheduleName>,
        count: usize,
    ) -> Result<Vec<Schedule>, SqlError> {
        let mut read = self.database.read().await?;
        let query = read.query(select("project = $1 AND name > $2 ORDER BY name LIMIT $3"));
        let after = after.map_or("", ScheduleName::as_str);
        let query = query.bind(project.as_str()).bind(after).bind(signed(count as u64));
        query.all().await?.into_iter().map(ScheduleRow::schedule).collect()
    }
}

/// One schedule, inside a transaction; it stays as it is until that ends.
pub(crate) async fn read(
    write: &mut SharedWrite,
    project: &ProjectId,
    name: &ScheduleName,
) -> Result<Option<Schedule>, SqlError> {
    let lock = write.dialect().for_update();
    let query = write.query(select(&format!("project = $1 AND name = $2{lock}")));
    let row = query.bind(project.as_str()).bind(name.as_str()).optional().await?;
    row.map(ScheduleRow::schedule).transpose()
}

/// Schedules whose time has come.
pub(crate) async fn due(write: &mut SharedWrite, now: i64) -> Result<Vec<ScheduleRow>, SqlError> {
    let skip = write.dialect().skip_locked();
    let query = write.query(select(&format!("fire_at <= $1 ORDER BY fire_at LIMIT $2{skip}")));
    query.bind(now).bind(DUE_MAX).all().await
}

/// When the next one fires.
pub(crate) async fn next_fire(write: &mut SharedWrite) -> Result<Option<i64>, SqlError> {
    let query = write.query("SELECT min(fire_at) FROM schedules WHERE fire_at IS NOT NULL");
    Ok(query.one::<(Option<i64>,)>().await?.0)
}

/// How many a project has.
pub(crate) async fn count(write: &mut SharedWrite, project: &ProjectId) -> Result<i64, SqlError> {
    let query = write.query("SELECT count(*) FROM schedules WHERE project = $1");
    Ok(query.bind(project.as_str()).one::<(i64,)>().await?.0)
}

/// Keeps a schedule.
pub(crate) async fn save(
    write: &mut SharedWrite,
    project: &ProjectId,
    schedule: &Schedule,
) -> Result<(), SqlError> {
    let saved = &schedule.saved;
    let settings = Settings {
        when: Cow::Borrowed(&saved.when),
        jitter_ms: saved.jitter_ms,
        overlap: saved.overlap,
        catch_up: saved.catch_up,
        job: Cow::Borrowed(&saved.job.options),
    };
    let offset_ms = saved.offset_ms(project.as_str());
    let fire_at = schedule.next_at_ms.filter(|_| !schedule.paused).map(|next| next.saturating_add(offset_ms));
    let sql =
        "INSERT INTO schedules (project, name, settings, queue, payload, paused, anchor, next_at, fire_at,
               last_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
               ON CONFLICT (project, name) DO UPDATE SET settings = $3, queue = $4, payload = $5, paused = $6,
               anchor = $7, next_at = $8, fire_at = $9, last_at = $10";
    write
        .query(sql)
        .bind(project.as_str())
        .bind(saved.name.as_str())
        .bind(serde_json::to_string(&settings).map_err(undecodable)?)
        .bind(saved.job.queue.as_str())
        .bind(saved.job.payload.as_ref())
        .bind(i64::from(schedule.paused))
        .bind(schedule.anchor_ms)
        .bind(schedule.next_at_ms)
        .bind(fire_at)
        .bind(schedule.last_at_ms)
        .bind(schedule.created_at_ms)
        .execute()
        .await?;
    Ok(())
}

/// Removes a schedule; says whether there was one.
pub(crate) async fn delete(
    write: &mut SharedWrite,
    project: &ProjectId,
    name: &ScheduleName,
) -> Result<bool, SqlError> {
    let query = write.query("DELETE FROM schedules WHERE project = $1 AND name = $2");
    Ok(query.bind(project.as_str()).bind(name.as_str()).execute().await? > 0)
}

/// Removes some that will not fire again and fired last before a moment; gives their projects and names.
pub(crate) async fn sweep(write: &mut SharedWrite, before: i64) -> Result<Vec<(String, String)>, SqlError> {
    let skip = write.dialect().skip_locked();
    let sql = format!(
        "DELETE FROM schedules WHERE (project, name) IN (SELECT project, name FROM schedules
         WHERE next_at IS NULL AND last_at < $1 LIMIT $2{skip}) RETURNING project, name"
    );
    write.query(sql).bind(before).bind(DUE_MAX).all().await
}
