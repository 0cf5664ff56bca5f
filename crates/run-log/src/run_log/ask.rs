//! What is asked of the log: lines, runs, traces, charts; and the removal of what a project or a function has.

use super::RunLog;
use crate::aggregate::{Chart, ChartWindow, VersionTotals};
use crate::error::RunLogError;
use crate::line::{LogPage, LogQuery, Order};
use crate::run::{RunDetail, RunPage, RunQuery, StoredRun};
use crate::store::lines::{self, Whose};
use crate::store::removal::{Remove, Table, remove};
use crate::store::{figures, runs};
use crate::trace::TraceId;
use service_kit::ids::{FunctionId, ProjectId};
use tokio::sync::watch;

/// Runs of one trace that are answered.
const TRACE_RUNS_MAX: usize = 200;

impl RunLog {
    /// Lines of one function of one project, those included that were written just before.
    ///
    /// # Errors
    /// A filter is not valid, the store cannot be read, or the log is closed.
    pub async fn query(
        &self,
        project: &ProjectId,
        function: &FunctionId,
        wanted: LogQuery,
    ) -> Result<LogPage, RunLogError> {
        self.flush().await?;
        self.written(project, function, wanted).await
    }

    /// The same of all functions of a project.
    ///
    /// # Errors
    /// As `query`.
    pub async fn query_project(&self, project: &ProjectId, wanted: LogQuery) -> Result<LogPage, RunLogError> {
        self.flush().await?;
        self.page(Whose { project, function: None }, wanted).await
    }

    /// Wakes the receiver whenever lines or runs of the function were written from now on; what they are is asked
    /// with `written` and `written_runs`. Closed when the log is.
    pub fn follow(&self, function: &FunctionId) -> watch::Receiver<()> {
        let follower = self.shared.tails.follow(function);
        // The writer comes more often from now on.
        self.shared.buffer.wake.notify_one();
        follower
    }

    /// Lines of one function that are written already: those after `wanted.after`, without waiting for
    /// others. Where [`LogPage::more`] is set there may be more, even if the page has no lines.
    ///
    /// # Errors
    /// A filter is not valid, or the store cannot be read.
    pub async fn written(
        &self,
        project: &ProjectId,
        function: &FunctionId,
        wanted: LogQuery,
    ) -> Result<LogPage, RunLogError> {
        self.page(Whose { project, function: Some(function) }, wanted).await
    }

    async fn page(&self, whose: Whose<'_>, mut wanted: LogQuery) -> Result<LogPage, RunLogError> {
        lines::check(&wanted)?;
        wanted.limit = self.limited(wanted.limit);
        lines::page(&self.shared.database, whose, &wanted, self.scan_max()).await
    }

    fn limited(&self, limit: usize) -> usize {
        limit.clamp(1, self.query_lines_max())
    }

    fn scan_max(&self) -> usize {
        self.shared.config.query_scan_max.max(1)
    }

    /// Lines or runs that one query answers at most.
    pub fn query_lines_max(&self) -> usize {
        self.shared.config.query_lines_max.max(1)
    }

    /// Runs of a project, the newest first.
    ///
    /// # Errors
    /// The store cannot be read, or the log is closed.
    pub async fn runs(&self, project: &ProjectId, wanted: RunQuery) -> Result<RunPage, RunLogError> {
        self.flush().await?;
        self.written_runs(project, wanted).await
    }

    /// The same of those that are written already, without waiting for others.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn written_runs(
        &self,
        project: &ProjectId,
        mut wanted: RunQuery,
    ) -> Result<RunPage, RunLogError> {
        wanted.limit = self.limited(wanted.limit);
        runs::page(&self.shared.database, project, &wanted, self.scan_max()).await
    }

    /// One run with its first lines; none where the project has no such run.
    ///
    /// # Errors
    /// The store cannot be read, or the log is closed.
    pub async fn run(
        &self,
        project: &ProjectId,
        id: &str,
        lines_max: usize,
    ) -> Result<Option<RunDetail>, RunLogError> {
        self.flush().await?;
        let Some(run) = runs::find(&self.shared.database, project, id).await? else { return Ok(None) };
        let wanted = LogQuery {
            invocation_id: Some(id.to_owned()),
            order: Order::OldestFirst,
            limit: lines_max,
            ..LogQuery::default()
        };
        let lines = self.page(Whose { project, function: None }, wanted).await?;
        Ok(Some(RunDetail { run, lines }))
    }

    /// The newest traced runs of a project, or of one of its functions, out of memory. After a start there are
    /// none; the store has them as runs.
    ///
    /// # Errors
    /// The log is closed.
    pub async fn traces(
        &self,
        project: &ProjectId,
        function: Option<&FunctionId>,
        limit: usize,
    ) -> Result<Vec<StoredRun>, RunLogError> {
        self.flush().await?;
        let wanted = |run: &StoredRun| function.is_none_or(|function| run.function == function.as_str());
        Ok(self.shared.rings.newest(project, wanted, self.limited(limit)))
    }

    /// Every run of a trace in this project, the first one first. Their spans are in them.
    ///
    /// # Errors
    /// The store cannot be read, or the log is closed.
    pub async fn trace(&self, project: &ProjectId, trace: TraceId) -> Result<Vec<StoredRun>, RunLogError> {
        let wanted = RunQuery { trace_id: Some(trace), limit: TRACE_RUNS_MAX, ..RunQuery::default() };
        let mut found = self.runs(project, wanted).await?.runs;
        let is_missing =
            |run: &StoredRun| run.trace_id == trace && found.iter().all(|known| known.id != run.id);
        found.extend(self.shared.rings.newest(project, is_missing, TRACE_RUNS_MAX));
        found.sort_by_key(|run| run.started_at_ms);
        Ok(found)
    }

    /// The figures of a function over a window of time, up to now.
    ///
    /// # Errors
    /// The store cannot be read, or the log is closed.
    pub async fn chart(
        &self,
        project: &ProjectId,
        function: &FunctionId,
        window: ChartWindow,
    ) -> Result<Chart, RunLogError> {
        self.flush().await?;
        let now_ms = self.shared.clock.now_ms();
        let (database, first) = (&self.shared.database, window.first_minute(now_ms));
        let stored = figures::window(database, (project, function), window, first).await?;
        Ok(Chart::of(window, now_ms, &stored))
    }

    /// What was counted of each version of a project that was called lately, out of memory.
    pub fn totals(&self, project: &ProjectId) -> Vec<VersionTotals> {
        let scopes = self.shared.scopes.of_project(project).into_iter();
        let totals = scopes.map(|scope| {
            VersionTotals::of(scope.function_id.clone(), scope.version.clone(), &scope.cells().total())
        });
        totals.filter(|of| of.calls > 0).collect()
    }

    /// Removes everything of a project. Who calls this takes care that nothing more is written for it.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn purge(&self, project: &ProjectId) -> Result<(), RunLogError> {
        self.flush().await?;
        self.shared.scopes.remove_project(project);
        self.shared.rings.remove_project(project);
        for table in Table::BOTH {
            remove(&self.shared.database, table, Remove::Project(project)).await?;
        }
        figures::remove_of(&self.shared.database, project, None).await?;
        let project = project.clone();
        self.shared.on_files(move |files| files.remove_project(&project)).await
    }

    /// Removes everything of one function.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn purge_function(
        &self,
        project: &ProjectId,
        function: &FunctionId,
    ) -> Result<(), RunLogError> {
        self.flush().await?;
        self.shared.scopes.remove_function(project, function);
        self.shared.rings.remove_function(project, function);
        for table in Table::BOTH {
            remove(&self.shared.database, table, Remove::Function(project, function)).await?;
        }
        figures::remove_of(&self.shared.database, project, Some(function)).await?;
        let (project, function) = (project.clone(), function.clone());
        self.shared.on_files(move |files| files.remove_function(&project, &function)).await
    }
}
