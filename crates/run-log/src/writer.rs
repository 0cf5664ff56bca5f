//! The one task that writes: takes what waits, redacts it, writes it in batches, wakes who follows, and goes on
//! after a disk error.

mod prepare;
mod retention;

pub(crate) use prepare::{ERROR_BYTES_MAX, OVERLAP_BYTES};

use crate::aggregate::MINUTE_MS;
use crate::buffer::{Buffer, Pending, Waiting};
use crate::config::RunLogConfig;
use crate::error::RunLogError;
use crate::files::Files;
use crate::line::LogLine;
use crate::otlp::{Batch, Exporter};
use crate::run::{Run, StoredRun};
use crate::scope::Scopes;
use crate::store::{self, figures::FiguresRow};
use crate::tail::Tails;
use crate::trace::Rings;
use retention::Retention;
use service_kit::clock::Clock;
use service_kit::ids::ProjectId;
use sql::Database;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What the writer is told.
pub(crate) enum Command {
    /// Write what was given before, then answer.
    Flush(oneshot::Sender<()>),
    /// The same, then end.
    Close(oneshot::Sender<()>),
}

/// What both sides of the log use.
pub(crate) struct Shared {
    pub(crate) config: RunLogConfig,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    pub(crate) files: Files,
    pub(crate) buffer: Buffer,
    pub(crate) scopes: Scopes,
    pub(crate) tails: Tails,
    pub(crate) rings: Rings,
    pub(crate) exporter: Option<Exporter>,
}

impl Shared {
    /// Does something with the files, on the blocking pool.
    pub(crate) async fn on_files(
        &self,
        work: impl FnOnce(&Files) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), RunLogError> {
        let files = self.files.clone();
        let path = files.directory.display().to_string();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|source| RunLogError::Files { path, source })
    }

    fn export(&self, batch: impl FnOnce() -> Batch) {
        if let Some(exporter) = &self.exporter {
            exporter.offer(batch());
        }
    }
}

/// A task that ends with whoever holds this.
struct EndsWith(JoinHandle<()>);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// Whether the last write failed, so that a full disk is said once and not for every batch.
    pub(crate) failing: bool,
}

impl Writer {
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let retention = Retention { shared: self.shared.clone() };
        let _retention = EndsWith(tokio::spawn(retention.run()));
        let (mut written, mut counted) = (Instant::now(), Instant::now());
        loop {
            let flush = Duration::from_millis(self.shared.config.flush_interval_ms.max(1));
            let tail = Duration::from_millis(self.shared.config.tail_interval_ms.max(1));
            let wait = if self.shared.tails.is_any() { tail.min(flush) } else { flush };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Flush(done)) => {
                        self.write_everything().await;
                        // The one who asked may have gone.
                        let _gone = done.send(());
                    }
                    Some(Command::Close(done)) => {
                        self.end().await;
                        let _gone = done.send(());
                        return;
                    }
                    None => return self.end().await,
                },
                () = self.shared.buffer.wake.notified() => self.write_pending().await,
                () = tokio::time::sleep_until(written + wait) => {
                    self.write_pending().await;
                    written = Instant::now();
                    if written >= counted + flush {
                        self.write_figures().await;
                        counted = written;
                    }
                }
            }
        }
    }

    async fn end(&mut self) {
        self.shared.buffer.close();
        self.write_everything().await;
        if let Some(exporter) = &self.shared.exporter {
            exporter.close().await;
        }
    }

    async fn write_everything(&mut self) {
        self.write_pending().await;
        self.write_figures().await;
    }

    async fn write_pending(&mut self) {
        let Pending { lines, runs, .. } = self.shared.buffer.take();
        let share = self.shared.config.batch_lines_max.max(1);
        let (mut lines, mut runs) = (lines.into_iter(), runs.into_iter());
        loop {
            let lines: Vec<_> = lines.by_ref().take(share).collect();
            let runs: Vec<_> = runs.by_ref().take(share).collect();
            if lines.is_empty() && runs.is_empty() {
                return;
            }
            self.write(lines, runs).await;
        }
    }

    async fn write(&mut self, mut lines: Vec<Waiting<LogLine>>, mut runs: Vec<Waiting<Run>>) {
        let bytes_max = self.shared.config.message_bytes_max;
        let clean_lines = lines.iter_mut().map(|line| prepare::line(line, bytes_max)).collect();
        let clean_lines: Arc<Vec<LogLine>> = Arc::new(clean_lines);
        let clean_runs: Vec<(ProjectId, StoredRun)> = runs.iter_mut().map(prepare::run).collect();
        let stored = self.store(&clean_lines, &clean_runs).await;
        self.settle(&lines, &runs, stored);
        let of_lines = clean_lines.iter().map(|line| &line.function);
        self.shared.tails.wake(of_lines.chain(runs.iter().map(|run| &run.item.function)));
        self.shared.export(|| Batch::Lines(clean_lines.clone()));
        // Inputs and outputs are in the store alone.
        let traced: Vec<_> = clean_runs
            .into_iter()
            .filter(|(_, run)| run.sampled)
            .map(|(project, run)| (project, StoredRun { input: None, output: None, ..run }))
            .collect();
        for (project, run) in &traced {
            self.shared.rings.push(project, run.clone());
        }
        self.shared.export(|| Batch::Runs(Arc::new(traced)));
        if clean_lines.is_empty() {
            return;
        }
        if let Err(error) = self.shared.on_files(move |files| files.append(&clean_lines)).await {
            self.failed(&error);
        }
    }

    async fn store(&self, lines: &[LogLine], runs: &[(ProjectId, StoredRun)]) -> Result<(), RunLogError> {
        let mut write = self.shared.database.write().await?;
        store::lines::insert(&mut write, lines).await?;
        store::runs::insert(&mut write, runs).await?;
        Ok(write.commit().await?)
    }

    /// Counts what became of a batch, and gives its room back.
    fn settle(&mut self, lines: &[Waiting<LogLine>], runs: &[Waiting<Run>], stored: Result<(), RunLogError>) {
        let buffer = &self.shared.buffer;
        lines.iter().for_each(|line| buffer.release(line));
        runs.iter().for_each(|run| buffer.release(run));
        let Err(error) = stored else {
            buffer.lines.recorded(lines.len());
            buffer.runs.recorded(runs.len());
            self.failing = false;
            return;
        };
        buffer.lines.dropped_at_disk(lines.len());
        buffer.runs.dropped_at_disk(runs.len());
        lines.iter().for_each(|line| line.scope.line_dropped(line.item.at_ms));
        runs.iter().for_each(|run| run.scope.run_dropped(run.item.ended_at_ms()));
        self.failed(&error);
    }

    async fn write_figures(&mut self) {
        let minute = self.shared.clock.now_ms().div_euclid(MINUTE_MS);
        let (mut rows, mut over) = (Vec::new(), Vec::new());
        for scope in self.shared.scopes.all() {
            for (at, cell, is_over) in scope.cells().take_changed(minute) {
                let row = FiguresRow {
                    project: scope.project_id.to_string(),
                    function: scope.function_id.to_string(),
                    version: scope.version.to_string(),
                    part: scope.part,
                    minute: at,
                    cell,
                };
                if is_over && self.shared.exporter.is_some() {
                    over.push(row.clone());
                }
                rows.push(row);
            }
        }
        self.shared.export(|| Batch::Figures(Arc::new(over)));
        if let Err(error) = self.store_figures(&rows).await {
            self.failed(&error);
        }
    }

    async fn store_figures(&self, rows: &[FiguresRow]) -> Result<(), RunLogError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut write = self.shared.database.write().await?;
        store::figures::put_minutes(&mut write, rows).await?;
        Ok(write.commit().await?)
    }

    fn failed(&mut self, error: &RunLogError) {
        if !self.failing {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "the log of functions cannot be written, free disk space");
        }
        self.failing = true;
    }
}
