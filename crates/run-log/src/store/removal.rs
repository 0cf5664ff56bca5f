//! Removing lines and runs, in small transactions, so that none holds the writer for long.

use super::stored;
use super::usage::{self, Changes, LINE_BYTES_SQL, RUN_BYTES_SQL};
use crate::error::RunLogError;
use service_kit::ids::{FunctionId, ProjectId};
use sql::Database;
use sqlx::{QueryBuilder, Sqlite};

/// Rows that one transaction removes.
const DELETE_ROWS: u64 = 2_000;

/// What is removed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Log lines.
    Lines,
    /// Runs.
    Runs,
}

impl Table {
    pub(crate) const BOTH: [Self; 2] = [Self::Lines, Self::Runs];

    fn name(self) -> &'static str {
        match self {
            Self::Lines => "action_logs",
            Self::Runs => "action_runs",
        }
    }

    fn moment(self) -> &'static str {
        match self {
            Self::Lines => "at_ms",
            Self::Runs => "started_at_ms",
        }
    }

    fn bytes(self) -> &'static str {
        match self {
            Self::Lines => LINE_BYTES_SQL,
            Self::Runs => RUN_BYTES_SQL,
        }
    }
}

/// Which rows go.
#[derive(Clone, Copy)]
pub(crate) enum Remove<'a> {
    /// All of a project.
    Project(&'a ProjectId),
    /// All of a function.
    Function(&'a ProjectId, &'a FunctionId),
    /// Those of a function up to this one.
    FunctionUpTo(&'a ProjectId, &'a FunctionId, i64),
    /// The oldest of a project, so many.
    OldestOf(&'a ProjectId, u64),
    /// Those at the old end of the table that are from before a moment.
    OlderThan(i64),
}

/// Removes rows until none of them is left; returns how many.
pub(crate) async fn remove(database: &Database, table: Table, what: Remove<'_>) -> Result<u64, RunLogError> {
    let mut removed = 0;
    loop {
        let wanted = match what {
            Remove::OldestOf(_, count) => (count - removed).min(DELETE_ROWS),
            _ => DELETE_ROWS,
        };
        let share = remove_share(database, table, what, wanted).await?;
        removed += share;
        if share < DELETE_ROWS {
            return Ok(removed);
        }
    }
}

async fn remove_share(
    database: &Database,
    table: Table,
    what: Remove<'_>,
    rows_max: u64,
) -> Result<u64, RunLogError> {
    let name = table.name();
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new(format!("DELETE FROM {name} WHERE id IN (SELECT id FROM {name} "));
    match what {
        Remove::Project(project) | Remove::OldestOf(project, _) => {
            query.push("WHERE project = ").push_bind(project.as_str());
        }
        Remove::Function(project, function) => {
            query.push("WHERE project = ").push_bind(project.as_str());
            query.push(" AND function = ").push_bind(function.as_str());
        }
        Remove::FunctionUpTo(project, function, id) => {
            query.push("WHERE project = ").push_bind(project.as_str());
            query.push(" AND function = ").push_bind(function.as_str());
            query.push(" AND id <= ").push_bind(id);
        }
        Remove::OlderThan(_) => {}
    }
    query.push(" ORDER BY id LIMIT ").push_bind(stored(rows_max)).push(")");
    if let Remove::OlderThan(moment) = what {
        query.push(format!(" AND {} < ", table.moment())).push_bind(moment);
    }
    query.push(format!(" RETURNING project, {}", table.bytes()));
    let mut write = database.write().await?;
    let gone: Vec<(String, i64)> = query.build_query_as().fetch_all(&mut *write).await?;
    let mut changes = Changes::default();
    for (project, bytes) in &gone {
        let usage = changes.of(project);
        match table {
            Table::Lines => (usage.lines, usage.line_bytes) = (usage.lines - 1, usage.line_bytes - bytes),
            Table::Runs => (usage.runs, usage.run_bytes) = (usage.runs - 1, usage.run_bytes - bytes),
        }
    }
    changes.apply(&mut write).await?;
    usage::forget_empty(&mut write).await?;
    write.commit().await?;
    Ok(gone.len() as u64)
}
