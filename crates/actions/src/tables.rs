//! The databases of applications: one SQLite file for each project, `projects/<project>/app.db` in the data directory,
//! opened when it is asked for and closed when it was idle.
//!
//! What must hold: what one project wrote, no other reads; a transaction belongs to one call and does not outlive it;
//! so many files are open at the most.

mod database;
mod directory;
mod framework;
mod transactions;
pub mod wire;

pub use database::ApplicationDatabase;
pub use directory::TableDirectory;
pub use framework::framework_up;

use crate::tables::transactions::Transactions;
use async_trait::async_trait;
use ports::sql::{Sql, SqlCaller, SqlError, SqlMode, SqlResult, SqlStatement, SqlValue};
use service_kit::ids::ProjectId;
use sql::confined::{Access, Answer, ConfinedError, ConfinedFile, Statement, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Files that are open at once; the one that was not used for the longest time is closed.
pub const OPEN_FILES_MAX: usize = 128;
/// How long a file stays open that nobody uses.
pub const FILE_IDLE_MAX: Duration = Duration::from_secs(300);
/// Statements of one batch.
pub const BATCH_STATEMENTS_MAX: usize = 1_000;

/// The databases of all projects.
pub struct Tables {
    /// Has a directory for each project.
    directory: PathBuf,
    open: Mutex<HashMap<ProjectId, Open>>,
    transactions: Transactions,
}

struct Open {
    file: Arc<ConfinedFile>,
    used: Instant,
}

impl Tables {
    /// Those under `directory`, which is made when it is needed.
    pub fn new(directory: PathBuf) -> Arc<Self> {
        Arc::new(Self { directory, open: Mutex::default(), transactions: Transactions::default() })
    }

    /// The file of a project, among those under `directory`.
    pub fn path(directory: &Path, project: &ProjectId) -> PathBuf {
        directory.join(project.as_str()).join("app.db")
    }

    /// The file of a project; its directory is made where it is missing.
    async fn file(&self, project: &ProjectId) -> std::io::Result<Arc<ConfinedFile>> {
        if let Some(open) = self.open().get_mut(project) {
            open.used = Instant::now();
            return Ok(open.file.clone());
        }
        let path = Self::path(&self.directory, project);
        let directory = path.parent().unwrap_or(&self.directory).to_owned();
        tokio::fs::create_dir_all(directory).await?;
        let mut files = self.open();
        make_room(&mut files);
        let open = files
            .entry(project.clone())
            .or_insert_with(|| Open { file: ConfinedFile::new(path), used: Instant::now() });
        Ok(open.file.clone())
    }

    async fn file_of(&self, caller: &SqlCaller) -> Result<Arc<ConfinedFile>, SqlError> {
        self.file(&caller.project).await.map_err(|error| SqlError::Failed(Box::new(error)))
    }

    /// Removes everything of a project.
    ///
    /// # Errors
    /// What is left can be asked for again.
    pub async fn purge(&self, project: &ProjectId) -> std::io::Result<()> {
        self.transactions.end_project(project);
        let open = self.open().remove(project);
        if let Some(open) = open {
            open.file.close().await;
        }
        match tokio::fs::remove_dir_all(self.directory.join(project.as_str())).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Rolls back what is open, and closes every file.
    pub async fn close(&self) {
        self.transactions.end_all();
        let files: Vec<_> = self.open().drain().map(|(_, open)| open.file).collect();
        for file in files {
            file.close().await;
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ProjectId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets files that nobody used for long, and then the one that was used before all others. A file is closed when
/// the last who has it lets go.
fn make_room(files: &mut HashMap<ProjectId, Open>) {
    files.retain(|_, open| open.used.elapsed() < FILE_IDLE_MAX || Arc::strong_count(&open.file) > 1);
    if files.len() < OPEN_FILES_MAX {
        return;
    }
    let unused = files.iter().filter(|(_, open)| Arc::strong_count(&open.file) == 1);
    let oldest = unused.min_by_key(|(_, open)| open.used).map(|(project, _)| project.clone());
    if let Some(project) = oldest {
        files.remove(&project);
    }
}

#[async_trait]
impl Sql for Tables {
    async fn query(
        &self,
        caller: &SqlCaller,
        statement: SqlStatement,
        transaction: Option<&str>,
    ) -> Result<SqlResult, SqlError> {
        let statement = confined(statement);
        let answer = match transaction {
            Some(id) => self.transactions.find(caller, id)?.run(statement).await,
            None => self.file_of(caller).await?.query(statement).await,
        };
        Ok(result(answer.map_err(told)?))
    }

    async fn batch(
        &self,
        caller: &SqlCaller,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<SqlResult>, SqlError> {
        if statements.len() > BATCH_STATEMENTS_MAX {
            return Err(SqlError::Invalid("a batch has 1,000 statements at the most"));
        }
        let file = self.file_of(caller).await?;
        let answers = file.batch(statements.into_iter().map(confined).collect()).await.map_err(told)?;
        Ok(answers.into_iter().map(result).collect())
    }

    async fn begin(&self, caller: &SqlCaller, mode: SqlMode) -> Result<String, SqlError> {
        let file = self.file_of(caller).await?;
        let access = match mode {
            SqlMode::ReadOnly => Access::Read,
            SqlMode::ReadWrite => Access::Write,
        };
        self.transactions.begin(caller, &file, access).await
    }

    async fn commit(&self, caller: &SqlCaller, transaction: &str) -> Result<(), SqlError> {
        self.transactions.take(caller, transaction)?.commit().await.map_err(told)
    }

    async fn rollback(&self, caller: &SqlCaller, transaction: &str) -> Result<(), SqlError> {
        self.transactions.take(caller, transaction).map(drop)
    }

    fn end_invocation(&self, invocation: &str) {
        self.transactions.end_invocation(invocation);
    }
}

/// An error as callers are told of it.
fn told(error: ConfinedError) -> SqlError {
    match error {
        ConfinedError::Statement { message, code } => SqlError::Statement { message, code },
        ConfinedError::Violation { message, code } => SqlError::Violation { message, code },
        ConfinedError::Busy => SqlError::Busy(error.to_string()),
        ConfinedError::TooLarge { .. } => SqlError::TooLarge(error.to_string()),
        ConfinedError::Full => SqlError::Full,
        ConfinedError::Closed => SqlError::Stopped,
        ConfinedError::File(_) => SqlError::Failed(Box::new(error)),
    }
}

fn confined(statement: SqlStatement) -> Statement {
    Statement { sql: statement.sql, values: statement.params.into_iter().map(to_value).collect() }
}

fn to_value(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(number),
        SqlValue::Real(number) => Value::Real(number),
        SqlValue::Text(text) => Value::Text(text),
        SqlValue::Bytes(bytes) => Value::Blob(bytes),
    }
}

fn of_value(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Real(number) => SqlValue::Real(number),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(bytes) => SqlValue::Bytes(bytes),
    }
}

fn result(answer: Answer) -> SqlResult {
    let rows = answer.rows.into_iter().map(|row| row.into_iter().map(of_value).collect()).collect();
    SqlResult {
        columns: answer.columns,
        rows,
        changes: answer.changes,
        last_insert_id: answer.last_insert_id,
    }
}

#[cfg(test)]
mod tests;
