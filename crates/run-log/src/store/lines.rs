//! Lines: writing batches, and queries that look at a bounded number of them.

use super::usage::Changes;
use super::{INSERT_ROWS, stored};
use crate::error::RunLogError;
use crate::line::{FieldFilter, Level, LogLine, LogPage, LogQuery, Order, StoredLine};
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Write};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

/// Filters of fields in one query.
const FIELD_FILTERS_MAX: usize = 8;
/// Parts of the name of a field.
const FIELD_DEPTH_MAX: usize = 8;
/// Bytes of one part.
const FIELD_NAME_BYTES_MAX: usize = 100;
/// Bytes of the text to look for.
const TEXT_BYTES_MAX: usize = 1_024;

/// Writes lines as a part of a transaction.
pub(crate) async fn insert(write: &mut Write, lines: &[LogLine]) -> Result<(), RunLogError> {
    let mut changes = Changes::default();
    for share in lines.chunks(INSERT_ROWS) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO action_logs (project, function, version, invocation, level, message, fields, at_ms) ",
        );
        query.push_values(share, |mut row, line| {
            row.push_bind(line.project.as_str())
                .push_bind(line.function.as_str())
                .push_bind(&*line.version)
                .push_bind(line.invocation_id.as_deref())
                .push_bind(line.level.rank())
                .push_bind(line.message.as_str())
                .push_bind(line.fields.as_deref())
                .push_bind(line.at_ms);
        });
        // Only full shares have a statement that is worth keeping.
        query.build().persistent(share.len() == INSERT_ROWS).execute(&mut **write).await?;
        share.iter().for_each(|line| changes.add_line(line));
    }
    changes.apply(write).await
}

/// Whose lines are asked for.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) project: &'a ProjectId,
    /// All of the project's without it.
    pub(crate) function: Option<&'a FunctionId>,
}

/// Refuses filters that cannot be asked.
pub(crate) fn check(wanted: &LogQuery) -> Result<(), RunLogError> {
    if wanted.fields.len() > FIELD_FILTERS_MAX {
        return Err(RunLogError::FieldFilters { filters_max: FIELD_FILTERS_MAX });
    }
    if wanted.text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(RunLogError::Text { bytes_max: TEXT_BYTES_MAX });
    }
    let is_name = |name: &String| {
        (1..=FIELD_NAME_BYTES_MAX).contains(&name.len())
            && !name.chars().any(|letter| letter == '"' || letter == '\\' || letter.is_control())
    };
    let is_path = |filter: &FieldFilter| {
        (1..=FIELD_DEPTH_MAX).contains(&filter.path.len()) && filter.path.iter().all(is_name)
    };
    if wanted.fields.iter().all(is_path) {
        return Ok(());
    }
    Err(RunLogError::FieldName { bytes_max: FIELD_NAME_BYTES_MAX, depth_max: FIELD_DEPTH_MAX })
}

/// One page. Looks at `scan_max` lines at most.
pub(crate) async fn page(
    database: &Database,
    whose: Whose<'_>,
    wanted: &LogQuery,
    scan_max: usize,
) -> Result<LogPage, RunLogError> {
    let edge = if wanted.is_filtered() { edge(database, whose, wanted, scan_max).await? } else { None };
    let mut lines = select(database, whose, wanted, edge).await?;
    let is_full = lines.len() >= wanted.limit;
    let last = lines.last().map(|line| line.cursor);
    let given = if wanted.is_forward() { wanted.after } else { wanted.before };
    let looked_to = if is_full { last } else { edge.map(|edge| edge.id).or(last) };
    let more = is_full || edge.is_some_and(|edge| edge.lines >= scan_max);
    // The newest lines are read backwards; what comes next are the lines after them.
    if wanted.order == Order::Latest && !wanted.is_forward() {
        lines.reverse();
        let newest = lines.last().map(|line| line.cursor);
        return Ok(LogPage { next: newest, more: false, lines });
    }
    Ok(LogPage { lines, next: looked_to.or(given), more })
}

/// How far a query looks.
#[derive(Debug, Clone, Copy)]
struct Edge {
    id: i64,
    lines: usize,
}

async fn edge(
    database: &Database,
    whose: Whose<'_>,
    wanted: &LogQuery,
    scan_max: usize,
) -> Result<Option<Edge>, RunLogError> {
    let end = if wanted.is_forward() { "max" } else { "min" };
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new(format!("SELECT {end}(id), count(*) FROM (SELECT id FROM action_logs"));
    push_place(&mut query, whose, wanted);
    push_order(&mut query, wanted, scan_max);
    query.push(")");
    let (id, lines): (Option<i64>, i64) = query.build_query_as().fetch_one(database.read()).await?;
    Ok(id.map(|id| Edge { id, lines: usize::try_from(lines).unwrap_or(usize::MAX) }))
}

async fn select(
    database: &Database,
    whose: Whose<'_>,
    wanted: &LogQuery,
    edge: Option<Edge>,
) -> Result<Vec<StoredLine>, RunLogError> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
        "SELECT id, function, version, invocation, level, message, fields, at_ms FROM action_logs",
    );
    push_place(&mut query, whose, wanted);
    if let Some(edge) = edge {
        query.push(if wanted.is_forward() { " AND id <= " } else { " AND id >= " }).push_bind(edge.id);
    }
    push_filters(&mut query, wanted);
    push_order(&mut query, wanted, wanted.limit);
    let rows = query.build().persistent(false).fetch_all(database.read()).await?;
    Ok(rows.iter().map(read_line).collect::<Result<_, sqlx::Error>>()?)
}

/// What an index finds. With an invocation its index is the one to use: `+` keeps the others out.
fn push_place(query: &mut QueryBuilder<Sqlite>, whose: Whose<'_>, wanted: &LogQuery) {
    let plus = if wanted.invocation_id.is_some() { "+" } else { "" };
    query.push(format!(" WHERE {plus}project = ")).push_bind(whose.project.as_str().to_owned());
    if let Some(function) = whose.function {
        query.push(format!(" AND {plus}function = ")).push_bind(function.as_str().to_owned());
    }
    if let Some(invocation) = &wanted.invocation_id {
        query.push(" AND invocation = ").push_bind(invocation.clone());
    }
    if let Some(after) = wanted.after {
        query.push(" AND id > ").push_bind(after);
    }
    if let Some(before) = wanted.before {
        query.push(" AND id < ").push_bind(before);
    }
}

fn push_filters(query: &mut QueryBuilder<Sqlite>, wanted: &LogQuery) {
    if let Some(version) = &wanted.version {
        query.push(" AND version = ").push_bind(version.clone());
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
    if let Some(text) = &wanted.text {
        query.push(" AND message LIKE ").push_bind(like(text)).push(" ESCAPE '\\'");
    }
    for filter in &wanted.fields {
        query.push(" AND fields -> ").push_bind(json_path(&filter.path));
        query.push(" IN (").push_bind(filter.value.clone());
        query.push(", ").push_bind(serde_json::Value::from(filter.value.as_str()).to_string()).push(")");
    }
}

fn push_order(query: &mut QueryBuilder<Sqlite>, wanted: &LogQuery, limit: usize) {
    query.push(if wanted.is_forward() { " ORDER BY id LIMIT " } else { " ORDER BY id DESC LIMIT " });
    query.push_bind(stored(limit as u64));
}

fn like(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn json_path(names: &[String]) -> String {
    names.iter().fold("$".to_owned(), |path, name| format!("{path}.\"{name}\""))
}

/// The newest line of a function that is beyond its newest so many.
pub(crate) async fn beyond(
    database: &Database,
    project: &ProjectId,
    function: &FunctionId,
    kept: u64,
) -> Result<Option<i64>, RunLogError> {
    let statement = "SELECT id FROM action_logs WHERE project = $1 AND function = $2 \
                     ORDER BY id DESC LIMIT 1 OFFSET $3";
    let query = sqlx::query_scalar(statement).bind(project.as_str()).bind(function.as_str());
    Ok(query.bind(stored(kept)).fetch_optional(database.read()).await?)
}

fn read_line(row: &SqliteRow) -> Result<StoredLine, sqlx::Error> {
    Ok(StoredLine {
        cursor: row.try_get(0)?,
        function: row.try_get(1)?,
        version: row.try_get(2)?,
        invocation_id: row.try_get(3)?,
        level: Level::of_rank(row.try_get(4)?),
        message: row.try_get(5)?,
        fields: row.try_get(6)?,
        at_ms: row.try_get(7)?,
    })
}
