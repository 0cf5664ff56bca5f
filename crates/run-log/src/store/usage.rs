//! What each project takes, counted with every write and removal, so that nobody has to count rows.

use super::{loaded, stored};
use crate::error::RunLogError;
use crate::line::LogLine;
use crate::run::StoredRun;
use service_kit::ids::ProjectId;
use sql::{Database, Write};
use std::collections::BTreeMap;

/// What a line takes beside its texts, about; also in the migration.
const LINE_BYTES: u64 = 120;
/// What a run takes beside its texts, about.
const RUN_BYTES: u64 = 200;

/// SQL that computes the bytes of a line, and of a run.
pub(super) const LINE_BYTES_SQL: &str =
    "120 + length(CAST(message AS BLOB)) + coalesce(length(CAST(fields AS BLOB)), 0)";
pub(super) const RUN_BYTES_SQL: &str = "200 + coalesce(length(CAST(spans AS BLOB)), 0) + coalesce(length(CAST(error_message AS BLOB)), 0) \
     + coalesce(length(CAST(input AS BLOB)), 0) + coalesce(length(CAST(output AS BLOB)), 0)";

/// What a project takes, or by how much that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) lines: i64,
    pub(crate) line_bytes: i64,
    pub(crate) runs: i64,
    pub(crate) run_bytes: i64,
}

impl Usage {
    pub(crate) fn bytes(&self) -> u64 {
        loaded(self.line_bytes.saturating_add(self.run_bytes))
    }
}

/// Changes of several projects.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<String, Usage>);

impl Changes {
    pub(super) fn add_line(&mut self, line: &LogLine) {
        let usage = self.of(line.project.as_str());
        usage.lines += 1;
        let fields = line.fields.as_ref().map_or(0, String::len);
        usage.line_bytes += stored(LINE_BYTES + (line.message.len() + fields) as u64);
    }

    pub(super) fn add_run(&mut self, project: &ProjectId, run: &StoredRun, spans: Option<&str>) {
        let usage = self.of(project.as_str());
        usage.runs += 1;
        let error = run.error.as_ref().map_or(0, |error| error.message.len());
        let payloads: usize =
            [&run.input, &run.output].into_iter().flatten().map(|kept| kept.text.len()).sum();
        usage.run_bytes += stored(RUN_BYTES + (spans.map_or(0, str::len) + error + payloads) as u64);
    }

    pub(super) fn of(&mut self, project: &str) -> &mut Usage {
        self.0.entry(project.to_owned()).or_default()
    }

    pub(super) async fn apply(self, write: &mut Write) -> Result<(), RunLogError> {
        for (project, change) in self.0 {
            sqlx::query(
                "INSERT INTO log_usage VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project) DO UPDATE SET \
                 lines = lines + excluded.lines, line_bytes = line_bytes + excluded.line_bytes, \
                 runs = runs + excluded.runs, run_bytes = run_bytes + excluded.run_bytes",
            )
            .bind(project)
            .bind(change.lines)
            .bind(change.line_bytes)
            .bind(change.runs)
            .bind(change.run_bytes)
            .execute(&mut **write)
            .await?;
        }
        Ok(())
    }
}

/// What each project takes, the largest first.
pub(crate) async fn all(database: &Database) -> Result<Vec<(ProjectId, Usage)>, RunLogError> {
    let rows: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT project, lines, line_bytes, runs, run_bytes FROM log_usage ORDER BY line_bytes + run_bytes DESC",
    )
    .fetch_all(database.read())
    .await?;
    let usage = rows.into_iter().filter_map(|(project, lines, line_bytes, runs, run_bytes)| {
        Some((ProjectId::parse(&project).ok()?, Usage { lines, line_bytes, runs, run_bytes }))
    });
    Ok(usage.collect())
}

/// What one project takes; none where it has nothing.
pub(crate) async fn of(database: &Database, project: &ProjectId) -> Result<Option<Usage>, RunLogError> {
    let statement = "SELECT lines, line_bytes, runs, run_bytes FROM log_usage WHERE project = $1";
    let row: Option<(i64, i64, i64, i64)> =
        sqlx::query_as(statement).bind(project.as_str()).fetch_optional(database.read()).await?;
    Ok(row.map(|(lines, line_bytes, runs, run_bytes)| Usage { lines, line_bytes, runs, run_bytes }))
}

/// Forgets a project that has nothing.
pub(super) async fn forget_empty(write: &mut Write) -> Result<(), RunLogError> {
    sqlx::query("DELETE FROM log_usage WHERE lines <= 0 AND runs <= 0").execute(&mut **write).await?;
    Ok(())
}
