//! How long things are kept, looked after once a minute: by age, and by what each function and project has.
//! Where everything takes too much the project with the most gives its oldest, so that no project pushes out
//! what another one keeps.

use super::Shared;
use crate::aggregate::{HOUR_MINUTES, MINUTE_MS};
use crate::error::RunLogError;
use crate::files::FilesLimits;
use crate::store::removal::{Remove, Table, remove};
use crate::store::usage::{self, Usage};
use crate::store::{self, figures, lines};
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often old things are looked for.
const INTERVAL: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DAY_MINUTES: i64 = 24 * HOUR_MINUTES;
/// An hour is added up when so many minutes passed after it.
const HOUR_LATE_MINUTES: i64 = 3;
/// Rows of the largest project that are removed before sizes are looked at again.
const SHARE_ROWS: u64 = 2_000;
/// Charts of a day are made of minutes.
const MINUTES_DAYS_MIN: i64 = 2;

pub(super) struct Retention {
    pub(super) shared: Arc<Shared>,
}

impl Retention {
    pub(super) async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.retain_rows().await {
                tracing::warn!(%error, "old lines and runs could not be removed");
            }
            if let Err(error) = self.retain_figures().await {
                tracing::warn!(%error, "figures could not be added up or removed");
            }
            if let Err(error) = self.retain_files().await {
                tracing::warn!(%error, "old log files could not be removed");
            }
            self.shared.scopes.forget_idle();
            self.shared.rings.forget_idle();
        }
    }

    async fn retain_rows(&self) -> Result<(), RunLogError> {
        let config = &self.shared.config;
        let age_ms = i64::from(config.retention_days) * DAY_MINUTES * MINUTE_MS;
        for table in Table::BOTH {
            let older = Remove::OlderThan(self.shared.clock.now_ms() - age_ms);
            remove(&self.shared.database, table, older).await?;
        }
        for (project, usage) in usage::all(&self.shared.database).await? {
            self.retain_functions(&project, usage).await?;
            self.retain_project(&project).await?;
        }
        self.retain_database().await
    }

    async fn retain_functions(&self, project: &ProjectId, usage: Usage) -> Result<(), RunLogError> {
        let lines_max = self.shared.config.function_lines_max;
        if u64::try_from(usage.lines).is_ok_and(|lines| lines <= lines_max) {
            return Ok(());
        }
        let written = self.shared.scopes.all();
        let of_project = written.iter().filter(|scope| scope.project_id == *project);
        let functions: BTreeSet<FunctionId> = of_project.map(|scope| scope.function_id.clone()).collect();
        for function in functions {
            let database = &self.shared.database;
            if let Some(id) = lines::beyond(database, project, &function, lines_max).await? {
                remove(database, Table::Lines, Remove::FunctionUpTo(project, &function, id)).await?;
            }
        }
        Ok(())
    }

    async fn retain_project(&self, project: &ProjectId) -> Result<(), RunLogError> {
        let (config, database) = (&self.shared.config, &self.shared.database);
        let Some(usage) = usage::of(database, project).await? else { return Ok(()) };
        let beyond = |rows: i64, max: u64| u64::try_from(rows).unwrap_or(0).saturating_sub(max);
        let lines = beyond(usage.lines, config.project_lines_max);
        remove(database, Table::Lines, Remove::OldestOf(project, lines)).await?;
        let runs = beyond(usage.runs, config.project_runs_max);
        remove(database, Table::Runs, Remove::OldestOf(project, runs)).await?;
        while let Some(usage) = usage::of(database, project).await? {
            if usage.bytes() <= config.project_bytes_max || !self.remove_oldest(project, usage).await? {
                break;
            }
        }
        Ok(())
    }

    async fn retain_database(&self) -> Result<(), RunLogError> {
        let database = &self.shared.database;
        while store::bytes_used(database).await? > self.shared.config.database_bytes_max {
            let Some((largest, usage)) = usage::all(database).await?.into_iter().next() else { break };
            if !self.remove_oldest(&largest, usage).await? {
                break;
            }
        }
        Ok(())
    }

    /// Removes a share of the oldest of what a project has most of; false where there was nothing.
    async fn remove_oldest(&self, project: &ProjectId, usage: Usage) -> Result<bool, RunLogError> {
        let (table, rows) = if usage.line_bytes >= usage.run_bytes {
            (Table::Lines, usage.lines)
        } else {
            (Table::Runs, usage.runs)
        };
        // A twentieth of few rows, so that a small limit does not empty the log.
        let share = (u64::try_from(rows).unwrap_or(0) / 20).clamp(1, SHARE_ROWS);
        Ok(remove(&self.shared.database, table, Remove::OldestOf(project, share)).await? > 0)
    }

    async fn retain_figures(&self) -> Result<(), RunLogError> {
        let (config, database) = (&self.shared.config, &self.shared.database);
        let minute = self.shared.clock.now_ms().div_euclid(MINUTE_MS);
        figures::add_up_hours(database, minute - HOUR_LATE_MINUTES).await?;
        let minutes_days = i64::from(config.minutes_retention_days).max(MINUTES_DAYS_MIN);
        let hours_days = i64::from(config.hours_retention_days);
        figures::remove_older(
            database,
            minute - minutes_days * DAY_MINUTES,
            minute - hours_days * DAY_MINUTES,
        )
        .await?;
        figures::remove_beyond(database, config.project_minutes_max).await
    }

    async fn retain_files(&self) -> Result<(), RunLogError> {
        let config = &self.shared.config;
        let limits = FilesLimits {
            age: DAY * config.retention_days,
            project_bytes_max: config.project_files_bytes_max,
            bytes_max: config.files_bytes_max,
        };
        self.shared.on_files(move |files| files.retain(limits)).await
    }
}
