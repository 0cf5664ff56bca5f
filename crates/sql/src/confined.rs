//! One SQLite file for statements that somebody else wrote: a project's own database. Keeps them in that file
//! (SQLite's authorizer, its limits and its defensive mode), bounds what they may take, and gives out its connections,
//! one that writes and a few that read.
//!
//! What must hold: a connection that comes back carries nothing of whoever had it; what was answered is on disk
//! (`synchronous=FULL`); readers never wait for the writer (WAL).

mod connection;
mod error;
mod group;
mod statement;
mod steps;

pub use connection::Access;
pub use error::ConfinedError;
pub use rusqlite::types::Value;
pub use statement::{Answer, RESULT_BYTES_MAX, ROWS_MAX, STATEMENT_TIME_MAX, Statement};
pub use steps::MIGRATION_TIME_MAX;

use connection::{BUSY_TIMEOUT, Confined};
use group::Waiting;
use rusqlite::InterruptHandle;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections of one file that read.
const READERS_MAX: usize = 4;

/// One file; opened when the first connection is asked for.
pub struct ConfinedFile {
    path: PathBuf,
    writer: Slots,
    readers: Slots,
    waiting: Waiting,
}

/// The connections of one kind: those that are idle, and how many there may be.
struct Slots {
    access: Access,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Confined>>,
}

impl Slots {
    fn new(access: Access, count: usize) -> Self {
        Self { access, free: Arc::new(Semaphore::new(count)), idle: Mutex::default() }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Confined>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConfinedFile {
    /// The file at `path`, in a directory that is there; nothing is opened yet.
    pub fn new(path: PathBuf) -> Arc<Self> {
        let (writer, readers) = (Slots::new(Access::Write, 1), Slots::new(Access::Read, READERS_MAX));
        Arc::new(Self { path, writer, readers, waiting: Waiting::default() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// `Busy`: none became free in 5 s; `Closed`; the file cannot be opened.
    pub async fn lease(self: &Arc<Self>, access: Access) -> Result<Lease, ConfinedError> {
        let slots = self.slots(access);
        let permit = tokio::time::timeout(BUSY_TIMEOUT, slots.free.clone().acquire_owned());
        let permit = permit.await.map_err(|_| ConfinedError::Busy)?.map_err(|_| ConfinedError::Closed)?;
        let kept = slots.idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => {
                let path = self.path.clone();
                blocking(move || Confined::open(&path, access)).await?
            }
        };
        let interrupt = connection.theirs().get_interrupt_handle();
        let held =
            Held { file: self.clone(), access, connection: Mutex::new(Some(connection)), _permit: permit };
        Ok(Lease { held: Arc::new(held), interrupt: Arc::new(interrupt) })
    }

    /// Runs one statement outside of a transaction: one that only reads beside everything else, any other as the
    /// transaction that it is.
    ///
    /// # Errors
    /// As `lease` and `Lease::run`.
    pub async fn query(self: &Arc<Self>, statement: Statement) -> Result<Answer, ConfinedError> {
        if statement::writes(&statement.sql) {
            return self.write(statement).await;
        }
        if !self.path.exists() {
            drop(self.lease(Access::Write).await?);
        }
        let statement = Arc::new(statement);
        let (reader, asked) = (self.lease(Access::Read).await?, statement.clone());
        let read = reader.call(move |connection| {
            let reads = statement::only_reads(connection, &asked.sql)?;
            reads.then(|| statement::run(connection, &asked)).transpose()
        });
        if let Some(answer) = read.await? {
            return Ok(answer);
        }
        drop(reader);
        self.write(Statement::clone(&statement)).await
    }

    async fn write(self: &Arc<Self>, statement: Statement) -> Result<Answer, ConfinedError> {
        let answers = self.batch(vec![statement]).await?;
        answers.into_iter().next().ok_or(ConfinedError::Closed)
    }

    /// Runs statements all or none. Those that wait at the same time are committed together.
    ///
    /// # Errors
    /// As `lease` and `Lease::run`; then nothing was changed.
    pub async fn batch(self: &Arc<Self>, statements: Vec<Statement>) -> Result<Vec<Answer>, ConfinedError> {
        let (number, mut answered) = self.waiting.add(statements);
        let turn = async {
            let writer = self.lease(Access::Write).await?;
            let file = self.clone();
            writer.call(move |connection| file.waiting.run(connection)).await
        };
        tokio::select! {
            biased;
            answers = &mut answered => return answers.map_err(|_| ConfinedError::Closed)?,
            done = turn => if let Err(error) = done
                && self.waiting.withdraw(number)
            {
                return Err(error);
            },
        }
        answered.await.map_err(|_| ConfinedError::Closed)?
    }

    /// Refuses new leases, and waits for those that are out.
    pub async fn close(&self) {
        for slots in [&self.writer, &self.readers] {
            let all = if slots.access == Access::Write { 1 } else { READERS_MAX as u32 };
            // Held until the end: whoever asks now waits, and finds it closed.
            let everything = slots.free.acquire_many(all).await;
            slots.free.close();
            drop(everything);
            let idle = std::mem::take(&mut *slots.idle());
            let _ = tokio::task::spawn_blocking(move || drop(idle)).await;
        }
    }

    fn slots(&self, access: Access) -> &Slots {
        match access {
            Access::Read => &self.readers,
            Access::Write => &self.writer,
        }
    }
}

/// A connection that somebody has; it goes back when the last clone is dropped, and what was not committed with it.
#[derive(Clone)]
pub struct Lease {
    held: Arc<Held>,
    interrupt: Arc<InterruptHandle>,
}

struct Held {
    file: Arc<ConfinedFile>,
    access: Access,
    /// Taken only when this is dropped.
    connection: Mutex<Option<Confined>>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Begins a transaction: one that writes has the file's one turn from here on.
    ///
    /// # Errors
    /// `Busy`: another process writes.
    pub async fn begin(&self) -> Result<(), ConfinedError> {
        let begin = if self.held.access == Access::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.call(move |connection| connection.ours(begin)).await
    }

    /// Commits; durable when it returns.
    ///
    /// # Errors
    /// A deferred constraint does not hold, or the disk is full: nothing was written.
    pub async fn commit(&self) -> Result<(), ConfinedError> {
        self.call(|connection| connection.ours("COMMIT")).await
    }

    /// Runs one statement on this connection.
    ///
    /// # Errors
    /// What SQLite says, or a limit.
    pub async fn run(&self, statement: Statement) -> Result<Answer, ConfinedError> {
        self.call(move |connection| statement::run(connection, &statement)).await
    }

    /// Whether somebody else has it, too: a statement runs, or is about to.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.held) > 1
    }

    /// Ends the statement that runs, if one does.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Confined) -> Result<T, ConfinedError> + Send + 'static,
    ) -> Result<T, ConfinedError> {
        let held = self.held.clone();
        blocking(move || {
            let connection = held.connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(connection.as_ref().ok_or(ConfinedError::Closed)?)
        })
        .await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let slots = self.file.slots(self.access);
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // One that cannot take back what it did is not used again.
        if let Some(connection) = connection.filter(|connection| connection.reset().is_ok()) {
            slots.idle().push(connection);
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConfinedError> + Send + 'static,
) -> Result<T, ConfinedError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ConfinedError::Closed)?
}
