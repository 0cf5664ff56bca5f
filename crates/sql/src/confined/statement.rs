//! One statement: its values, its result, and how much of both there may be.

use super::connection::Confined;
use super::error::ConfinedError;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{CachedStatement, Connection};
use std::time::{Duration, Instant};

/// How long one statement may take.
pub const STATEMENT_TIME_MAX: Duration = Duration::from_secs(10);
/// Rows of one result.
pub const ROWS_MAX: usize = 50_000;
/// Bytes of the values of one result; a number counts as 8.
pub const RESULT_BYTES_MAX: usize = 8 << 20;
/// Instructions of SQLite's machine between two looks at the clock.
const INSTRUCTIONS_PER_LOOK: i32 = 10_000;

/// A statement with the values of `?1`, `?2`, ….
#[derive(Debug, Clone)]
pub struct Statement {
    /// One statement.
    pub sql: String,
    /// As many values as it has parameters.
    pub values: Vec<Value>,
}

/// What a statement answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Names of the columns; none where the statement answers no rows.
    pub columns: Vec<String>,
    /// Rows, with a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// Rows that were inserted, updated or deleted.
    pub changes: u64,
    /// The rowid that was inserted last, where rows were inserted.
    pub last_insert_id: Option<i64>,
}

/// Whether a statement only reads.
pub(super) fn only_reads(connection: &Confined, sql: &str) -> Result<bool, ConfinedError> {
    Ok(prepared(connection.theirs(), sql)?.readonly())
}

/// Runs one statement.
pub(super) fn run(connection: &Confined, statement: &Statement) -> Result<Answer, ConfinedError> {
    timed(connection, STATEMENT_TIME_MAX, |connection| {
        let mut prepared = prepared(connection, &statement.sql)?;
        bind(&mut prepared, &statement.values)?;
        let (changed_before, id_before) = (connection.total_changes(), connection.last_insert_rowid());
        let rows = collect(&mut prepared)?;
        // Only now: SQLite prepares a statement that is kept again when the tables have changed.
        let columns = prepared.column_names().into_iter().map(str::to_owned).collect();
        let has_changed = connection.total_changes() > changed_before;
        let id = connection.last_insert_rowid();
        let is_insert = has_changed && (id != id_before || inserts(&statement.sql));
        let changes = if has_changed { connection.changes() } else { 0 };
        Ok(Answer { columns, rows, changes, last_insert_id: is_insert.then_some(id) })
    })
}

/// Runs `work`; what it asks SQLite for ends after `limit`.
pub(super) fn timed<T>(
    connection: &Confined,
    limit: Duration,
    work: impl FnOnce(&Connection) -> Result<T, ConfinedError>,
) -> Result<T, ConfinedError> {
    let connection = connection.theirs();
    let deadline = Instant::now() + limit;
    connection.progress_handler(INSTRUCTIONS_PER_LOOK, Some(move || Instant::now() >= deadline))?;
    let done = work(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    done.map_err(|error| match error {
        ConfinedError::Statement { code: "SQLITE_INTERRUPT", .. } if Instant::now() >= deadline => {
            let seconds = limit.as_secs();
            let message =
                format!("the statement took longer than {seconds} s: ask for less, or add an index");
            ConfinedError::Statement { message, code: "SQLITE_INTERRUPT" }
        }
        other => other,
    })
}

fn prepared<'a>(connection: &'a Connection, sql: &str) -> Result<CachedStatement<'a>, ConfinedError> {
    if sql.trim().is_empty() {
        return Err(ConfinedError::misuse("the statement is empty"));
    }
    Ok(connection.prepare_cached(sql)?)
}

fn bind(prepared: &mut CachedStatement<'_>, values: &[Value]) -> Result<(), ConfinedError> {
    let wanted = prepared.parameter_count();
    if wanted != values.len() {
        let given = values.len();
        return Err(ConfinedError::misuse(format!(
            "the statement has {wanted} parameters, and {given} values were given"
        )));
    }
    for (index, value) in values.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

fn collect(prepared: &mut CachedStatement<'_>) -> Result<Vec<Vec<Value>>, ConfinedError> {
    let too_large = || ConfinedError::TooLarge { rows: ROWS_MAX, bytes: RESULT_BYTES_MAX };
    let (mut collected, mut bytes) = (Vec::new(), 0);
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let statement: &rusqlite::Statement<'_> = row.as_ref();
        let width = statement.column_count();
        let mut values = Vec::with_capacity(width);
        for column in 0..width {
            let value = row.get_ref(column)?;
            bytes += size(value);
            if bytes > RESULT_BYTES_MAX {
                return Err(too_large());
            }
            values.push(owned(value));
        }
        collected.push(values);
        if collected.len() > ROWS_MAX {
            return Err(too_large());
        }
    }
    Ok(collected)
}

fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
    }
}

/// Text that is no UTF-8 (a cast of bytes can make it) is taken as it reads.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Whether a statement that changed rows is an insert; asked only where the rowid is that of the insert before, as it
/// is where another table was inserted into.
fn inserts(sql: &str) -> bool {
    begins_with(sql, &["insert", "replace"])
}

/// Whether a statement can do nothing but write; others have to be prepared to be told apart.
pub(super) fn writes(sql: &str) -> bool {
    begins_with(sql, &["insert", "replace", "update", "delete"])
}

fn begins_with(sql: &str, words: &[&str]) -> bool {
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}
