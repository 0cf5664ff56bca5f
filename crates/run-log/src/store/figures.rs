//! Figures of minutes and hours. A minute may have several rows, one for each part; an hour has one.

use super::{loaded, stored};
use crate::aggregate::{Cell, ChartWindow, HOUR_MINUTES, Histogram};
use crate::error::RunLogError;
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Write};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Rows that one statement inserts.
const INSERT_ROWS: usize = 200;
/// Rows that one transaction removes.
const DELETE_ROWS: u64 = 2_000;
/// The step of rows of minutes, in minutes.
const MINUTE: i64 = 1;

const FIGURES: &str = "calls, cold_starts, cancelled, errors, durations, duration_sum_us, duration_max_us, \
                       waits, wait_sum_us, wait_max_us, lines_dropped, runs_dropped, runs_sampled_out";

/// One row.
#[derive(Clone)]
pub(crate) struct FiguresRow {
    pub(crate) project: String,
    pub(crate) function: String,
    pub(crate) version: String,
    pub(crate) part: i64,
    pub(crate) minute: i64,
    pub(crate) cell: Cell,
}

/// Writes rows of minutes as a part of a transaction; a row that is there is replaced.
pub(crate) async fn put_minutes(write: &mut Write, rows: &[FiguresRow]) -> Result<(), RunLogError> {
    put(write, MINUTE, rows).await
}

async fn put(write: &mut Write, step: i64, rows: &[FiguresRow]) -> Result<(), RunLogError> {
    for share in rows.chunks(INSERT_ROWS) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(format!(
            "INSERT OR REPLACE INTO run_figures (project, function, step, minute, version, part, {FIGURES}) "
        ));
        query.push_values(share, |mut values, row| {
            let cell = &row.cell;
            values
                .push_bind(row.project.as_str())
                .push_bind(row.function.as_str())
                .push_bind(step)
                .push_bind(row.minute)
                .push_bind(row.version.as_str())
                .push_bind(row.part)
                .push_bind(stored(cell.calls))
                .push_bind(stored(cell.cold_starts))
                .push_bind(stored(cell.cancelled))
                .push_bind(serde_json::to_string(&cell.errors).unwrap_or_else(|_| "{}".to_owned()))
                .push_bind(cell.durations.encode())
                .push_bind(stored(cell.durations.sum_us))
                .push_bind(stored(cell.durations.max_us))
                .push_bind(cell.waits.encode())
                .push_bind(stored(cell.waits.sum_us))
                .push_bind(stored(cell.waits.max_us))
                .push_bind(stored(cell.lines_dropped))
                .push_bind(stored(cell.runs_dropped))
                .push_bind(stored(cell.runs_sampled_out));
        });
        query.build().persistent(share.len() == INSERT_ROWS).execute(&mut **write).await?;
    }
    Ok(())
}

/// Reads the columns `FIGURES`, which begin at `first`.
fn read_cell(row: &SqliteRow, first: usize) -> Result<Cell, sqlx::Error> {
    let number = |column: usize| row.try_get(first + column).map(loaded);
    let histogram = |column: usize| {
        let (sum_us, max_us) = (number(column + 1)?, number(column + 2)?);
        Ok::<_, sqlx::Error>(Histogram::decode(row.try_get(first + column)?, sum_us, max_us))
    };
    let errors: BTreeMap<String, u64> = serde_json::from_str(row.try_get(first + 3)?).unwrap_or_default();
    Ok(Cell {
        calls: number(0)?,
        cold_starts: number(1)?,
        cancelled: number(2)?,
        errors: errors.into_iter().map(|(code, count)| (Cow::Owned(code), count)).collect(),
        durations: histogram(4)?,
        waits: histogram(7)?,
        lines_dropped: number(10)?,
        runs_dropped: number(11)?,
        runs_sampled_out: number(12)?,
    })
}

/// The rows of a window, as `(minute, version, figures)`.
pub(crate) async fn window(
    database: &Database,
    place: (&ProjectId, &FunctionId),
    window: ChartWindow,
    first_minute: i64,
) -> Result<Vec<(i64, String, Cell)>, RunLogError> {
    // Hours that were added up are read as hours, the rest as minutes.
    let hours_end = if window == ChartWindow::Week { hours_end(database).await? } else { None };
    let minutes_from = hours_end.map_or(first_minute, |end| end.max(first_minute));
    let statement = format!(
        "SELECT minute, version, {FIGURES} FROM run_figures WHERE project = $1 AND function = $2 AND step = $3 \
         AND minute >= $4 AND minute < $5"
    );
    let mut found = Vec::new();
    for (step, from, until) in [(HOUR_MINUTES, first_minute, minutes_from), (MINUTE, minutes_from, i64::MAX)]
    {
        if from >= until {
            continue;
        }
        let query = sqlx::query(sqlx::AssertSqlSafe(statement.clone()));
        let query = query.bind(place.0.as_str()).bind(place.1.as_str()).bind(step).bind(from).bind(until);
        for row in query.fetch_all(database.read()).await? {
            found.push((row.try_get(0)?, row.try_get(1)?, read_cell(&row, 2)?));
        }
    }
    Ok(found)
}

/// The minute after the last hour that was added up.
async fn hours_end(database: &Database) -> Result<Option<i64>, RunLogError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(minute) FROM run_figures WHERE step = $1")
        .bind(HOUR_MINUTES)
        .fetch_one(database.read())
        .await?;
    Ok(newest.map(|minute| minute + HOUR_MINUTES))
}

/// Adds up the minutes of every hour that ended before `minute`, each hour in one transaction. An hour that was
/// added up before is left as it is.
pub(crate) async fn add_up_hours(database: &Database, minute: i64) -> Result<(), RunLogError> {
    let from = hours_end(database).await?.unwrap_or(i64::MIN);
    let until = minute.div_euclid(HOUR_MINUTES) * HOUR_MINUTES;
    let hours: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT minute / 60 FROM run_figures WHERE step = $1 AND minute >= $2 AND minute < $3 ORDER BY 1",
    )
    .bind(MINUTE)
    .bind(from)
    .bind(until)
    .fetch_all(database.read())
    .await?;
    for hour in hours {
        add_up(database, hour * HOUR_MINUTES).await?;
    }
    Ok(())
}

async fn add_up(database: &Database, first_minute: i64) -> Result<(), RunLogError> {
    let statement = format!(
        "SELECT project, function, version, {FIGURES} FROM run_figures WHERE step = $1 AND minute >= $2 \
         AND minute < $3"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    let query = query.bind(MINUTE).bind(first_minute).bind(first_minute + HOUR_MINUTES);
    let mut sums = BTreeMap::<(String, String, String), Cell>::new();
    for row in query.fetch_all(database.read()).await? {
        let key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        sums.entry(key).or_default().merge(&read_cell(&row, 3)?);
    }
    let row = |((project, function, version), cell)| FiguresRow {
        project,
        function,
        version,
        part: 0,
        minute: first_minute,
        cell,
    };
    let rows: Vec<FiguresRow> = sums.into_iter().map(row).collect();
    let mut write = database.write().await?;
    put(&mut write, HOUR_MINUTES, &rows).await?;
    Ok(write.commit().await?)
}

/// Removes rows of minutes and of hours from before these minutes.
pub(crate) async fn remove_older(
    database: &Database,
    minutes_before: i64,
    hours_before: i64,
) -> Result<(), RunLogError> {
    for (step, before) in [(MINUTE, minutes_before), (HOUR_MINUTES, hours_before)] {
        remove_where(database, |query| {
            query.push("step = ").push_bind(step).push(" AND minute < ").push_bind(before);
        })
        .await?;
    }
    Ok(())
}

/// Removes the oldest rows of minutes of each project that has more than `rows_max`.
pub(crate) async fn remove_beyond(database: &Database, rows_max: u64) -> Result<(), RunLogError> {
    let full: Vec<String> = sqlx::query_scalar(
        "SELECT project FROM run_figures WHERE step = 1 GROUP BY project HAVING count(*) > $1",
    )
    .bind(stored(rows_max))
    .fetch_all(database.read())
    .await?;
    for project in full {
        let kept_from: i64 = sqlx::query_scalar(
            "SELECT minute FROM run_figures WHERE project = $1 AND step = 1 ORDER BY minute DESC LIMIT 1 OFFSET $2",
        )
        .bind(&project)
        .bind(stored(rows_max))
        .fetch_one(database.read())
        .await?;
        remove_where(database, |query| {
            query.push("project = ").push_bind(project.clone());
            query.push(" AND step = 1 AND minute <= ").push_bind(kept_from);
        })
        .await?;
    }
    Ok(())
}

/// Removes the rows of a project, or of one of its functions.
pub(crate) async fn remove_of(
    database: &Database,
    project: &ProjectId,
    function: Option<&FunctionId>,
) -> Result<(), RunLogError> {
    remove_where(database, |query| {
        query.push("project = ").push_bind(project.as_str().to_owned());
        if let Some(function) = function {
            query.push(" AND function = ").push_bind(function.as_str().to_owned());
        }
    })
    .await
}

async fn remove_where(
    database: &Database,
    condition: impl Fn(&mut QueryBuilder<Sqlite>),
) -> Result<(), RunLogError> {
    let key = "(project, function, step, minute, version, part)";
    loop {
        let columns = key.trim_matches(['(', ')']);
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(format!(
            "DELETE FROM run_figures WHERE {key} IN (SELECT {columns} FROM run_figures WHERE "
        ));
        condition(&mut query);
        query.push(" LIMIT ").push_bind(stored(DELETE_ROWS)).push(")");
        let mut write = database.write().await?;
        let done = query.build().execute(&mut *write).await?;
        write.commit().await?;
        if done.rows_affected() < DELETE_ROWS {
            return Ok(());
        }
    }
}
