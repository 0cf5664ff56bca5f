//! The log as its users see it: writing, beginning and ending. What is asked is in `run_log/ask.rs`.

mod ask;

use crate::buffer::{Buffer, Waiting, Weight};
use crate::config::RunLogConfig;
use crate::error::RunLogError;
use crate::files::Files;
use crate::line::{LogLine, cut_silently};
use crate::otlp::Exporter;
use crate::payload::Payload;
use crate::run::{Run, RunStatus};
use crate::scope::{Losses, Scopes};
use crate::store::{MIGRATIONS, OWNER};
use crate::tail::Tails;
use crate::trace::{Rings, RunTrace, TraceContext};
use crate::writer::{Command, ERROR_BYTES_MAX, OVERLAP_BYTES, Shared, Writer};
use secrecy::SecretString;
use service_kit::clock::Clock;
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Durability};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Commands that wait for the writer; who gives one more waits.
const COMMANDS: usize = 64;

/// What ran, of all functions.
pub struct RunLog {
    shared: Arc<Shared>,
    torn_lines: usize,
    commands: mpsc::Sender<Command>,
}

impl RunLog {
    /// Opens `logs.db` and `logs/` in `directory`, making them where they are missing, and starts the
    /// writer. A line that a crash left in part is cut off.
    ///
    /// # Errors
    /// The database or the directory cannot be opened, or the settings of the export cannot be used.
    pub async fn open(directory: &Path, config: RunLogConfig) -> Result<Arc<Self>, RunLogError> {
        Self::open_with_clock(directory, config, Clock::system()).await
    }

    /// The same with another clock.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_with_clock(
        directory: &Path,
        config: RunLogConfig,
        clock: Clock,
    ) -> Result<Arc<Self>, RunLogError> {
        let files = Files { directory: directory.join("logs"), file_bytes_max: config.file_bytes_max };
        let torn_lines = open_files(files.clone()).await?;
        let database = Database::open(&directory.join("logs.db"), Durability::Normal).await?;
        database.migrate(OWNER, MIGRATIONS).await?;
        let shared = Arc::new(Shared {
            buffer: Buffer::new(config.buffer_bytes_max, config.buffer_lines_max, config.batch_lines_max),
            rings: Rings::new(config.project_traces_max, config.traces_max),
            exporter: Exporter::start(&config.otlp)?,
            scopes: Scopes::default(),
            tails: Tails::default(),
            config,
            clock,
            database,
            files,
        });
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let writer = Writer { shared: shared.clone(), failing: false };
        tokio::spawn(writer.run(receiver));
        Ok(Arc::new(Self { shared, torn_lines, commands }))
    }

    /// Takes a line. Never waits: a line that finds no room is dropped and counted.
    pub fn write(&self, mut line: LogLine) {
        let shared = &*self.shared;
        let scope = shared.scopes.scope(&line.project, &line.function, &line.version);
        let missing = cut_before(&mut line.message, shared.config.message_bytes_max);
        if let Some(bytes) = line.fields.as_ref().map(String::len)
            && bytes > shared.config.fields_bytes_max
        {
            line.fields = Some(format!("{{\"cut\":\"{bytes} bytes of fields are more than are kept\"}}"));
        }
        let (at_ms, bytes) = (line.at_ms, line.bytes());
        let redactor = scope.function.redactor();
        let waiting = Waiting { item: line, scope: scope.clone(), redactor, bytes, missing };
        if !shared.buffer.push_line(waiting) {
            shared.buffer.lines.dropped_before_buffer();
            scope.line_dropped(at_ms);
        }
    }

    /// Takes a run that has ended. Never waits. It is always counted in the figures; it is kept if it failed,
    /// or if the project had fewer than so many successful ones in this second.
    pub fn record(&self, mut run: Run) {
        let shared = &*self.shared;
        let scope = shared.scopes.scope(&run.project, &run.function, &run.version);
        scope.cells().count(&run);
        let at_ms = run.ended_at_ms();
        let weight = if run.status == RunStatus::Error { Weight::Error } else { Weight::Usual };
        let kept_max = shared.config.project_runs_per_second;
        if weight == Weight::Usual && !scope.project.runs.take(at_ms, kept_max) {
            shared.buffer.runs_sampled_out.increment(1);
            return scope.run_sampled_out(at_ms);
        }
        run.input.iter_mut().chain(&mut run.output).for_each(Payload::own);
        let missing = run.error.as_mut().map_or(0, |error| cut_before(&mut error.message, ERROR_BYTES_MAX));
        let (bytes, redactor) = (run.bytes(), scope.function.redactor());
        let waiting = Waiting { item: run, scope: scope.clone(), redactor, bytes, missing };
        if !shared.buffer.push_run(weight, waiting) {
            shared.buffer.runs.dropped_before_buffer();
            scope.run_dropped(at_ms);
        }
    }

    /// Counts a run in the figures that is not to be kept.
    pub fn count(&self, run: &Run) {
        self.shared.scopes.scope(&run.project, &run.function, &run.version).cells().count(run);
    }

    /// The place in a trace of a run that begins: under the caller's `traceparent`, whose decision about
    /// sampling holds, or at the beginning of a trace, of which so many of a project in each second are
    /// sampled. Give none where a request has several such headers.
    pub fn begin_trace(&self, project: &ProjectId, traceparent: Option<&str>) -> RunTrace {
        if let Some(parent) = traceparent.and_then(|header| TraceContext::parse(header).ok()) {
            return RunTrace::under(&parent);
        }
        let shared = &*self.shared;
        let sampled_max = shared.config.project_traces_per_second;
        RunTrace::root(shared.scopes.project(project).roots.take(shared.clock.now_ms(), sampled_max))
    }

    /// Replaces what is looked for in what a function writes: the values of all secrets that its versions
    /// may have. Those of before are looked for as well, until the next change, because calls of the version
    /// before may go on.
    pub fn redact(&self, project: &ProjectId, function: &FunctionId, secrets: Vec<SecretString>) {
        self.shared.scopes.redact(project, function, secrets);
    }

    /// Lines that were lost since the start, to a full buffer or a failing disk.
    pub fn dropped(&self) -> u64 {
        self.shared.buffer.lines.lost()
    }

    /// Runs that were lost since the start; those that are only counted are none of them.
    pub fn dropped_runs(&self) -> u64 {
        self.shared.buffer.runs.lost()
    }

    /// Records that the collector did not get since the start.
    pub fn dropped_exports(&self) -> u64 {
        self.shared.exporter.as_ref().map_or(0, Exporter::dropped)
    }

    /// What was not kept of a project, or of one of its functions, since the start.
    pub fn losses(&self, project: &ProjectId, function: Option<&FunctionId>) -> Losses {
        self.shared.scopes.losses(project, function)
    }

    /// Lines that a crash had left in part, found and cut off when the log was opened.
    pub fn torn_lines(&self) -> usize {
        self.torn_lines
    }

    /// Waits until everything that was given before is written.
    ///
    /// # Errors
    /// The log is closed.
    pub async fn flush(&self) -> Result<(), RunLogError> {
        self.tell(Command::Flush).await
    }

    /// Writes what waits, ends the writer and closes the store. Later lines are dropped and counted.
    pub async fn close(&self) {
        if self.tell(Command::Close).await.is_err() {
            tracing::debug!("the log was closed before");
        }
        self.shared.tails.end();
        self.shared.database.close().await;
    }

    async fn tell(&self, command: fn(oneshot::Sender<()>) -> Command) -> Result<(), RunLogError> {
        let (done, written) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| RunLogError::Closed)?;
        written.await.map_err(|_| RunLogError::Closed)
    }
}

/// Bounds a text on its way into the buffer: to what is kept of it, and what is needed to find secrets in it.
fn cut_before(text: &mut String, bytes_max: usize) -> usize {
    let missing = cut_silently(text, bytes_max.saturating_add(OVERLAP_BYTES));
    if missing > 0 {
        text.shrink_to_fit();
    }
    missing
}

async fn open_files(files: Files) -> Result<usize, RunLogError> {
    let path = files.directory.display().to_string();
    let open = move || {
        std::fs::create_dir_all(&files.directory)?;
        files.recover()
    };
    let opened = tokio::task::spawn_blocking(open).await;
    let opened = opened.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    opened.map_err(|source| RunLogError::Files { path, source })
}
