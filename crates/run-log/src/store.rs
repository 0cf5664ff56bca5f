//! The lines in SQLite: the only place with their SQL.

use crate::error::RunLogError;
use crate::line::{Level, LogLine, LogQuery, StoredLine};
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Migration};
use sqlx::{QueryBuilder, Row, Sqlite};

/// Rows that one transaction removes, so that it never holds the writer for long.
const DELETE_ROWS: i64 = 2_000;

pub(crate) const OWNER: &str = "run-log";

pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "lines",
    sql: "CREATE TABLE action_logs (
              id INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, function TEXT NOT NULL,
              version TEXT NOT NULL, invocation TEXT, level INTEGER NOT NULL, message TEXT NOT NULL,
              at_ms INTEGER NOT NULL);
          CREATE INDEX action_logs_function ON action_logs (project, function, id);
          CREATE INDEX action_logs_invocation ON action_logs (invocation) WHERE invocation IS NOT NULL;",
}];

/// Writes a batch in one transaction.
pub(crate) async fn insert(database: &Database, lines: &[LogLine]) -> Result<(), RunLogError> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
        "INSERT INTO action_logs (project, function, version, invocation, level, message, at_ms) ",
    );
    query.push_values(lines, |mut row, line| {
        row.push_bind(line.project.as_str())
            .push_bind(line.function.as_str())
            .push_bind(&*line.version)
            .push_bind(line.invocation_id.as_deref())
            .push_bind(line.level.rank())
            .push_bind(line.message.as_str())
            .push_bind(line.at_ms);
    });
    let mut write = database.write().await?;
    query.build().execute(&mut *write).await?;
    Ok(write.commit().await?)
}

/// Lines in the order in which they were written.
pub(crate) async fn select(
    database: &Database,
    project: &ProjectId,
    function: &FunctionId,
    wanted: &LogQuery,
) -> Result<Vec<StoredLine>, RunLogError> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
        "SELECT id, version, invocation, level, message, at_ms FROM action_logs WHERE project = ",
    );
    query.push_bind(project.as_str()).push(" AND function = ").push_bind(function.as_str());
    if let Some(invocation) = &wanted.invocation_id {
        query.push(" AND invocation = ").push_bind(invocation.as_str());
    }
    if let Some(level) = wanted.level {
        query.push(" AND level >= ").push_bind(level.rank());
    }
    if let Some(since) = wanted.since_ms {
        query.push(" AND at_ms >= ").push_bind(since);
    }
    if let Some(until) = wanted.until_ms {
        query.push(" AND at_ms < ").push_bind(until);
    }
    match wanted.after {
        Some(after) => query.push(" AND id > ").push_bind(after).push(" ORDER BY id LIMIT "),
        None => query.push(" ORDER BY id DESC LIMIT "),
    };
    query.push_bind(i64::try_from(wanted.limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(database.read()).await?;
    let mut lines = rows.iter().map(read_line).collect::<Result<Vec<_>, sqlx::Error>>()?;
    if wanted.after.is_none() {
        lines.reverse();
    }
    Ok(lines)
}

fn read_line(row: &sqlx::sqlite::SqliteRow) -> Result<StoredLine, sqlx::Error> {
    Ok(StoredLine {
        cursor: row.try_get(0)?,
        version: row.try_get(1)?,
        invocation_id: row.try_get(2)?,
        level: Level::of_rank(row.try_get(3)?),
        message: row.try_get(4)?,
        at_ms: row.try_get(5)?,
    })
}

/// Which lines go.
pub(crate) enum Remove<'a> {
    /// All of a project.
    Project(&'a ProjectId),
    /// All of a function.
    Function(&'a ProjectId, &'a FunctionId),
    /// Those of a function beyond its newest so many.
    FunctionBeyond(&'a ProjectId, &'a FunctionId, u64),
    /// Those at the old end of the log that were written before a moment.
    OlderThan(i64),
    /// The oldest ones.
    Oldest,
}

/// Removes lines, in small transactions, until none of them is left; `Oldest` removes one share only.
pub(crate) async fn remove(database: &Database, what: Remove<'_>) -> Result<u64, RunLogError> {
    let mut removed = 0;
    loop {
        let share = remove_share(database, &what).await?;
        removed += share;
        if share < DELETE_ROWS as u64 || matches!(what, Remove::Oldest) {
            return Ok(removed);
        }
    }
}

async fn remove_share(database: &Database, what: &Remove<'_>) -> Result<u64, RunLogError> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("DELETE FROM action_logs WHERE id IN (SELECT id FROM action_logs ");
    match what {
        Remove::Project(project) => {
            query.push("WHERE project = ").push_bind(project.as_str());
        }
        Remove::Function(project, function) => {
            query.push("WHERE project = ").push_bind(project.as_str());
            query.push(" AND function = ").push_bind(function.as_str());
        }
        Remove::FunctionBeyond(project, function, kept) => {
            query.push("WHERE project = ").push_bind(project.as_str());
            query.push(" AND function = ").push_bind(function.as_str());
            query.push(" AND id <= (SELECT id FROM action_logs WHERE project = ").push_bind(project.as_str());
            query.push(" AND function = ").push_bind(function.as_str());
            query.push(" ORDER BY id DESC LIMIT 1 OFFSET ");
            query.push_bind(i64::try_from(*kept).unwrap_or(i64::MAX)).push(")");
        }
        Remove::OlderThan(_) | Remove::Oldest => {
            query.push("ORDER BY id");
        }
    }
    query.push(" LIMIT ").push_bind(DELETE_ROWS).push(")");
    if let Remove::OlderThan(moment) = what {
        query.push(" AND at_ms < ").push_bind(*moment);
    }
    let mut write = database.write().await?;
    let done = query.build().execute(&mut *write).await?;
    write.commit().await?;
    Ok(done.rows_affected())
}

/// Bytes that the lines take, free pages not counted.
pub(crate) async fn bytes_used(database: &Database) -> Result<u64, RunLogError> {
    let sizes = "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM \
                 pragma_freelist_count), (SELECT page_size FROM pragma_page_size)";
    let (pages, page_bytes): (i64, i64) = sqlx::query_as(sizes).fetch_one(database.read()).await?;
    Ok(u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or(0))
}
