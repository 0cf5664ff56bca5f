//! Runs: writing batches, lists, one run, one trace.

use super::usage::Changes;
use super::{INSERT_ROWS, loaded, stored};
use crate::error::RunLogError;
use crate::payload::KeptPayload;
use crate::run::{RunError, RunPage, RunQuery, RunStatus, StoredRun, Trigger};
use crate::trace::{Span, SpanId, SpanKind, TraceId};
use service_kit::ids::ProjectId;
use sql::{Database, Write};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::borrow::Cow;
use std::collections::HashSet;

const COLUMNS: &str = "id, function, version, handler, invocation, trigger_kind, status, http_status, \
                       started_at_ms, duration_us, queue_wait_us, cold_start_us, attempt, trace_id, span_id, \
                       parent_span_id, sampled, spans, error_code, error_message, parent";
/// What lists leave out.
const PAYLOADS: &str = "input, input_state, output, output_state";

/// Writes runs as a part of a transaction. One whose id the project has already is left out.
pub(crate) async fn insert(write: &mut Write, runs: &[(ProjectId, StoredRun)]) -> Result<(), RunLogError> {
    let mut changes = Changes::default();
    for share in runs.chunks(INSERT_ROWS) {
        let spans: Vec<Option<String>> = share.iter().map(|(_, run)| write_spans(&run.spans)).collect();
        let columns = COLUMNS.trim_start_matches("id, ");
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new(format!("INSERT INTO action_runs (project, {columns}, {PAYLOADS}) "));
        query.push_values(share.iter().zip(&spans), |mut row, ((project, run), spans)| {
            row.push_bind(project.as_str())
                .push_bind(run.function.as_str())
                .push_bind(run.version.as_str())
                .push_bind(run.handler.as_deref())
                .push_bind(run.id.as_str())
                .push_bind(run.trigger.rank())
                .push_bind(run.status.rank())
                .push_bind(run.http_status.map(i64::from))
                .push_bind(run.started_at_ms)
                .push_bind(stored(run.duration_us))
                .push_bind(stored(run.queue_wait_us))
                .push_bind(run.cold_start_us.map(stored))
                .push_bind(i64::from(run.attempt))
                .push_bind(run.trace_id.as_bytes())
                .push_bind(run.span_id.as_bytes())
                .push_bind(run.parent_span_id.as_ref().map(SpanId::as_bytes))
                .push_bind(run.sampled)
                .push_bind(spans.as_deref())
                .push_bind(run.error.as_ref().map(|error| &*error.code))
                .push_bind(run.error.as_ref().map(|error| error.message.as_str()))
                .push_bind(run.parent_id.as_deref());
            for payload in [&run.input, &run.output] {
                row.push_bind(payload.as_ref().map(|kept| kept.text.as_str()))
                    .push_bind(payload.as_ref().map(KeptPayload::state));
            }
        });
        query.push(" ON CONFLICT (project, invocation) DO NOTHING RETURNING project, invocation");
        let kept = query.build().persistent(share.len() == INSERT_ROWS).fetch_all(&mut **write).await?;
        let kept = kept.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let mut kept: HashSet<(String, String)> = kept.collect::<Result<_, sqlx::Error>>()?;
        for ((project, run), spans) in share.iter().zip(&spans) {
            if kept.remove(&(project.to_string(), run.id.clone())) {
                changes.add_run(project, run, spans.as_deref());
            }
        }
    }
    changes.apply(write).await
}

/// One page of a project's runs, the newest first. Looks at `scan_max` runs at most.
pub(crate) async fn page(
    database: &Database,
    project: &ProjectId,
    wanted: &RunQuery,
    scan_max: usize,
) -> Result<RunPage, RunLogError> {
    let (edge, looked_at) =
        if wanted.is_filtered() { edge(database, project, wanted, scan_max).await? } else { (None, 0) };
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(format!("SELECT {COLUMNS} FROM action_runs"));
    push_place(&mut query, project, wanted);
    if let Some(edge) = edge {
        query.push(" AND id >= ").push_bind(edge);
    }
    push_filters(&mut query, wanted);
    query.push(" ORDER BY id DESC LIMIT ").push_bind(stored(wanted.limit as u64));
    let rows = query.build().persistent(false).fetch_all(database.read()).await?;
    let runs = rows.iter().map(read_run).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let is_full = runs.len() >= wanted.limit;
    let last = runs.last().map(|run| run.cursor);
    let looked_to = if is_full { last } else { edge.or(last) };
    Ok(RunPage { runs, next: looked_to.or(wanted.before), more: is_full || looked_at >= scan_max })
}

/// The last run that a query looks at, and how many these are.
async fn edge(
    database: &Database,
    project: &ProjectId,
    wanted: &RunQuery,
    scan_max: usize,
) -> Result<(Option<i64>, usize), RunLogError> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT min(id), count(*) FROM (SELECT id FROM action_runs");
    push_place(&mut query, project, wanted);
    query.push(" ORDER BY id DESC LIMIT ").push_bind(stored(scan_max as u64)).push(")");
    let (id, looked_at): (Option<i64>, i64) = query.build_query_as().fetch_one(database.read()).await?;
    Ok((id, usize::try_from(looked_at).unwrap_or(usize::MAX)))
}

/// What an index finds. With a trace its index is the one to use: `+` keeps the others out.
fn push_place(query: &mut QueryBuilder<Sqlite>, project: &ProjectId, wanted: &RunQuery) {
    let plus = if wanted.trace_id.is_some() { "+" } else { "" };
    query.push(format!(" WHERE {plus}project = ")).push_bind(project.as_str().to_owned());
    if let Some(trace) = &wanted.trace_id {
        query.push(" AND trace_id = ").push_bind(trace.as_bytes().to_vec());
    }
    // Failed runs are few: their index is better than the function's.
    let failed_only = wanted.status == Some(RunStatus::Error);
    if failed_only {
        query.push(" AND status = 1");
    }
    if let Some(function) = &wanted.function {
        let plus = if failed_only { "+" } else { plus };
        query.push(format!(" AND {plus}function = ")).push_bind(function.as_str().to_owned());
    }
    if let Some(before) = wanted.before {
        query.push(" AND id < ").push_bind(before);
    }
    if let Some(after) = wanted.after {
        query.push(" AND id > ").push_bind(after);
    }
}

fn push_filters(query: &mut QueryBuilder<Sqlite>, wanted: &RunQuery) {
    let texts = [
        ("version", &wanted.version),
        ("handler", &wanted.handler),
        ("error_code", &wanted.error_code),
        ("parent", &wanted.parent_id),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            query.push(format!(" AND {column} = ")).push_bind(text.clone());
        }
    }
    if let Some(has_error) = wanted.has_error {
        query.push(if has_error { " AND error_code IS NOT NULL" } else { " AND error_code IS NULL" });
    }
    let numbers = [
        ("status =", wanted.status.map(RunStatus::rank)),
        ("trigger_kind =", wanted.trigger.map(Trigger::rank)),
        ("started_at_ms >=", wanted.since_ms),
        ("started_at_ms <", wanted.until_ms),
        ("duration_us >=", wanted.duration_us_min.map(stored)),
    ];
    for (condition, number) in numbers {
        if let Some(number) = number {
            query.push(format!(" AND {condition} ")).push_bind(number);
        }
    }
}

/// One run.
pub(crate) async fn find(
    database: &Database,
    project: &ProjectId,
    id: &str,
) -> Result<Option<StoredRun>, RunLogError> {
    let statement =
        format!("SELECT {COLUMNS}, {PAYLOADS} FROM action_runs WHERE project = $1 AND invocation = $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(project.as_str()).bind(id);
    let row = query.fetch_optional(database.read()).await?;
    Ok(row.as_ref().map(read_whole).transpose()?)
}

fn read_whole(row: &SqliteRow) -> Result<StoredRun, sqlx::Error> {
    let payload = |at: usize| -> Result<_, sqlx::Error> {
        let (text, state) = (row.try_get::<Option<String>, _>(at)?, row.try_get::<Option<i64>, _>(at + 1)?);
        Ok(text.map(|text| KeptPayload::of(text, state.unwrap_or_default())))
    };
    let (input, output) = (payload(21)?, payload(23)?);
    Ok(StoredRun { input, output, ..read_run(row)? })
}

fn read_run(row: &SqliteRow) -> Result<StoredRun, sqlx::Error> {
    let error_code: Option<String> = row.try_get(18)?;
    let error_message: Option<String> = row.try_get(19)?;
    let missing = |column: &str| sqlx::Error::ColumnNotFound(column.to_owned());
    Ok(StoredRun {
        cursor: row.try_get(0)?,
        function: row.try_get(1)?,
        version: row.try_get(2)?,
        handler: row.try_get(3)?,
        id: row.try_get(4)?,
        trigger: Trigger::of_rank(row.try_get(5)?).ok_or_else(|| missing("trigger_kind"))?,
        status: RunStatus::of_rank(row.try_get(6)?).ok_or_else(|| missing("status"))?,
        http_status: row.try_get::<Option<i64>, _>(7)?.and_then(|status| u16::try_from(status).ok()),
        started_at_ms: row.try_get(8)?,
        duration_us: loaded(row.try_get(9)?),
        queue_wait_us: loaded(row.try_get(10)?),
        cold_start_us: row.try_get::<Option<i64>, _>(11)?.map(loaded),
        attempt: u32::try_from(row.try_get::<i64, _>(12)?).unwrap_or(u32::MAX),
        trace_id: id_of(row.try_get(13)?).and_then(TraceId::from_bytes).ok_or_else(|| missing("trace_id"))?,
        span_id: id_of(row.try_get(14)?).and_then(SpanId::from_bytes).ok_or_else(|| missing("span_id"))?,
        parent_span_id: row.try_get::<Option<&[u8]>, _>(15)?.and_then(id_of).and_then(SpanId::from_bytes),
        sampled: row.try_get(16)?,
        spans: row.try_get::<Option<&str>, _>(17)?.map(read_spans).unwrap_or_default(),
        error: error_code
            .map(|code| RunError { code: Cow::Owned(code), message: error_message.unwrap_or_default() }),
        parent_id: row.try_get(20)?,
        input: None,
        output: None,
    })
}

fn id_of<const BYTES: usize>(bytes: &[u8]) -> Option<[u8; BYTES]> {
    bytes.try_into().ok()
}

/// A span as it is stored: id, parent, kind, name, start, duration, whether it failed.
type Row7 = (String, String, String, String, u64, u64, bool);

fn write_spans(spans: &[Span]) -> Option<String> {
    if spans.is_empty() {
        return None;
    }
    let row = |span: &Span| -> Row7 {
        let (id, parent) = (span.id.to_string(), span.parent.to_string());
        let (kind, name) = (span.kind.as_str().to_owned(), span.name.to_string());
        (id, parent, kind, name, span.start_us, span.duration_us, span.failed)
    };
    serde_json::to_string(&spans.iter().map(row).collect::<Vec<_>>()).ok()
}

fn read_spans(text: &str) -> Vec<Span> {
    let rows: Vec<Row7> = serde_json::from_str(text).unwrap_or_default();
    let span = |(id, parent, kind, name, start_us, duration_us, failed): Row7| {
        Some(Span {
            id: SpanId::parse(&id)?,
            parent: SpanId::parse(&parent)?,
            kind: SpanKind::parse(&kind)?,
            name: Cow::Owned(name),
            start_us,
            duration_us,
            failed,
        })
    };
    rows.into_iter().filter_map(span).collect()
}
