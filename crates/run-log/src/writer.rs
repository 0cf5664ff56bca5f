//! The one task that writes: batches by number and time, keeps retention, and goes on after a disk error.

use crate::buffer::Buffer;
use crate::config::RunLogConfig;
use crate::error::RunLogError;
use crate::files::Files;
use crate::line::LogLine;
use crate::store::{self, Remove};
use crate::tail::Tails;
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, ProjectId};
use sql::Database;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

/// How often old lines are looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the writer is told.
pub(crate) enum Message {
    /// A line to keep.
    Line(LogLine),
    /// Write what was given before, then answer.
    Flush(oneshot::Sender<()>),
    /// The same, then end.
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer {
    pub(crate) config: RunLogConfig,
    pub(crate) database: Database,
    pub(crate) files: Files,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) tails: Tails,
    pub(crate) batch: Vec<LogLine>,
    /// Functions that wrote since retention ran last.
    pub(crate) written: HashSet<(ProjectId, FunctionId)>,
    /// Whether the last write failed, so that a full disk is said once and not for every batch.
    pub(crate) failing: bool,
}

impl Writer {
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut retention = tokio::time::interval(RETENTION_INTERVAL);
        retention.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now();
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Line(line)) => {
                        let wait = self.wait(&line);
                        due = if self.batch.is_empty() { wait } else { due.min(wait) };
                        self.batch.push(line);
                        if self.batch.len() >= self.config.batch_lines_max {
                            self.write().await;
                        }
                    }
                    Some(Message::Flush(done)) => {
                        self.write().await;
                        // The one who asked may have gone.
                        let _gone = done.send(());
                    }
                    Some(Message::Close(done)) => {
                        self.write().await;
                        let _gone = done.send(());
                        return;
                    }
                    None => return self.write().await,
                },
                () = tokio::time::sleep_until(due), if !self.batch.is_empty() => self.write().await,
                _ = retention.tick() => self.retain().await,
            }
        }
    }

    /// When a line has to be written at the latest.
    fn wait(&self, line: &LogLine) -> Instant {
        let (flush, tail) = (self.config.flush_interval_ms, self.config.tail_interval_ms);
        let wait_ms = if self.tails.is_followed(&line.function) { tail.min(flush) } else { flush };
        Instant::now() + Duration::from_millis(wait_ms)
    }

    async fn write(&mut self) {
        let lines = Arc::new(std::mem::take(&mut self.batch));
        if lines.is_empty() {
            return;
        }
        match store::insert(&self.database, &lines).await {
            Ok(()) => {
                self.buffer.recorded(lines.len());
                self.tails.wake(lines.iter().map(|line| &line.function));
                self.failing = false;
            }
            Err(error) => {
                self.buffer.dropped_at_disk(lines.len());
                self.failed(&error);
            }
        }
        for line in lines.iter() {
            self.written.insert((line.project.clone(), line.function.clone()));
            self.buffer.release(line.message.len());
        }
        let appended = self.on_files(move |files| files.append(&lines)).await;
        if let Err(error) = appended {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &RunLogError) {
        if !self.failing {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "log lines of functions are lost, free disk space");
        }
        self.failing = true;
    }

    async fn on_files(
        &self,
        work: impl FnOnce(&Files) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), RunLogError> {
        let files = self.files.clone();
        let path = files.directory.display().to_string();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|source| RunLogError::Files { path, source })
    }

    async fn retain(&mut self) {
        if let Err(error) = self.retain_lines().await {
            tracing::warn!(%error, "old log lines could not be removed");
        }
        let (age, bytes_max) = (DAY * self.config.retention_days, self.config.files_bytes_max);
        if let Err(error) = self.on_files(move |files| files.retain(age, bytes_max)).await {
            tracing::warn!(%error, "old log files could not be removed");
        }
    }

    async fn retain_lines(&mut self) -> Result<(), RunLogError> {
        let age_ms = i64::from(self.config.retention_days) * 24 * 60 * 60 * 1000;
        store::remove(&self.database, Remove::OlderThan(now_ms() - age_ms)).await?;
        for (project, function) in std::mem::take(&mut self.written) {
            let beyond = Remove::FunctionBeyond(&project, &function, self.config.function_lines_max);
            store::remove(&self.database, beyond).await?;
        }
        while store::bytes_used(&self.database).await? > self.config.database_bytes_max {
            if store::remove(&self.database, Remove::Oldest).await? == 0 {
                break;
            }
        }
        Ok(())
    }
}
