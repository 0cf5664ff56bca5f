//! The log as its users see it.

use crate::buffer::Buffer;
use crate::config::RunLogConfig;
use crate::error::RunLogError;
use crate::files::Files;
use crate::line::{LogLine, LogPage, LogQuery, cut};
use crate::store::{self, MIGRATIONS, OWNER, Remove};
use crate::tail::Tails;
use crate::writer::{Message, Writer};
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Durability};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The log lines of all functions.
pub struct RunLog {
    config: RunLogConfig,
    database: Database,
    files: Files,
    buffer: Arc<Buffer>,
    tails: Tails,
    messages: mpsc::Sender<Message>,
}

impl RunLog {
    /// Opens `logs.db` and `logs/` in `directory`, making them where they are missing, and starts the
    /// writer.
    ///
    /// # Errors
    /// The database or the directory cannot be opened.
    pub async fn open(directory: &Path, config: RunLogConfig) -> Result<Arc<Self>, RunLogError> {
        let files = Files { directory: directory.join("logs"), file_bytes_max: config.file_bytes_max };
        tokio::fs::create_dir_all(&files.directory).await.map_err(|source| files_failed(&files, source))?;
        let database = Database::open(&directory.join("logs.db"), Durability::Normal).await?;
        database.migrate(OWNER, MIGRATIONS).await?;
        let (messages, receiver) = mpsc::channel(config.buffer_lines_max.max(1));
        let buffer = Arc::new(Buffer::new(config.buffer_bytes_max));
        let tails = Tails::default();
        let writer = Writer {
            tails: tails.clone(),
            config: config.clone(),
            database: database.clone(),
            files: files.clone(),
            buffer: buffer.clone(),
            batch: Vec::new(),
            written: HashSet::new(),
            failing: false,
        };
        tokio::spawn(writer.run(receiver));
        Ok(Arc::new(Self { config, database, files, buffer, tails, messages }))
    }

    /// Takes a line. Never waits: a line that finds no room is dropped and counted.
    pub fn write(&self, mut line: LogLine) {
        cut(&mut line.message, self.config.message_bytes_max);
        let bytes = line.message.len();
        if !self.buffer.reserve(bytes) {
            return self.buffer.dropped_before_buffer();
        }
        if self.messages.try_send(Message::Line(line)).is_err() {
            self.buffer.release(bytes);
            self.buffer.dropped_before_buffer();
        }
    }

    /// Lines that were lost since the start, to a full buffer or a failing disk.
    pub fn dropped(&self) -> u64 {
        self.buffer.lost()
    }

    /// Lines of one function of one project, those included that were written just before.
    ///
    /// # Errors
    /// The store cannot be read, or the log is closed.
    pub async fn query(
        &self,
        project: &ProjectId,
        function: &FunctionId,
        wanted: LogQuery,
    ) -> Result<LogPage, RunLogError> {
        self.flush().await?;
        self.written(project, function, wanted).await
    }

    /// Wakes the receiver whenever lines of the function were written from now on; what they are is asked
    /// with `written`. Closed when the log is.
    pub fn follow(&self, function: &FunctionId) -> watch::Receiver<()> {
        self.tails.follow(function)
    }

    /// Lines of one function that are written already: those after `wanted.after`, without waiting for
    /// others.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn written(
        &self,
        project: &ProjectId,
        function: &FunctionId,
        mut wanted: LogQuery,
    ) -> Result<LogPage, RunLogError> {
        wanted.limit = wanted.limit.clamp(1, self.config.query_lines_max);
        let lines = store::select(&self.database, project, function, &wanted).await?;
        let next = lines.last().map(|line| line.cursor).or(wanted.after);
        Ok(LogPage { lines, next })
    }

    /// Lines that one query answers at most.
    pub fn query_lines_max(&self) -> usize {
        self.config.query_lines_max
    }

    /// Removes everything of a project. Who calls this takes care that nothing more is written for it.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn purge(&self, project: &ProjectId) -> Result<(), RunLogError> {
        self.flush().await?;
        store::remove(&self.database, Remove::Project(project)).await?;
        let (files, project) = (self.files.clone(), project.clone());
        self.on_files(move || files.remove_project(&project)).await
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
        store::remove(&self.database, Remove::Function(project, function)).await?;
        let (files, project, function) = (self.files.clone(), project.clone(), function.clone());
        self.on_files(move || files.remove_function(&project, &function)).await
    }

    /// Waits until everything that was given before is written.
    ///
    /// # Errors
    /// The log is closed.
    pub async fn flush(&self) -> Result<(), RunLogError> {
        self.tell(Message::Flush).await
    }

    /// Writes what waits, ends the writer and closes the store. Later lines are dropped and counted.
    pub async fn close(&self) {
        if self.tell(Message::Close).await.is_err() {
            tracing::debug!("the log was closed before");
        }
        self.database.close().await;
    }

    async fn tell(&self, message: fn(oneshot::Sender<()>) -> Message) -> Result<(), RunLogError> {
        let (done, written) = oneshot::channel();
        self.messages.send(message(done)).await.map_err(|_| RunLogError::Closed)?;
        written.await.map_err(|_| RunLogError::Closed)
    }

    async fn on_files(
        &self,
        work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), RunLogError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|source| files_failed(&self.files, source))
    }
}

fn files_failed(files: &Files, source: std::io::Error) -> RunLogError {
    RunLogError::Files { path: files.directory.display().to_string(), source }
}
