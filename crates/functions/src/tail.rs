//! Streams of a function's log. Lines come from the store by cursor, so that none is lost or sent twice,
//! also for a reader that comes back; a reader that is slow makes its own stream wait and nothing else.

use crate::error::FunctionsError;
use crate::service::FunctionsService;
use axum::response::Response;
use ports::access::AccessError;
use routes::Standing;
use run_log::{LogQuery, StoredLine};
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{FunctionId, ProjectId};
use service_kit::sse::{self, HEARTBEAT_EVERY, Outbox, OutboxLimits};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// Lines that wait for a reader.
const OUTBOX: OutboxLimits = OutboxLimits { events_max: 64, bytes_max: 256 << 10 };
/// Lines that are read at once.
const PAGE: usize = 64;
/// How long a stream outlives that nobody can say whether it may be open.
const UNSURE_MAX: Duration = Duration::from_secs(5);
/// When to come back after a limit of streams.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The streams that are open.
#[derive(Debug, Default)]
pub(crate) struct LogStreams {
    by_project: Mutex<HashMap<ProjectId, usize>>,
}

/// The place of one stream.
struct Ticket {
    service: Arc<FunctionsService>,
    project: ProjectId,
}

impl LogStreams {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, usize>> {
        self.by_project.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut streams = self.service.log_streams.lock();
        if let Some(open) = streams.get_mut(&self.project) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.project);
            }
        }
    }
}

/// What a reader wants.
pub(crate) struct TailWish {
    pub(crate) project: ProjectId,
    pub(crate) name: String,
    /// Filters; where it begins is in `last_event_id`.
    pub(crate) lines: LogQuery,
    pub(crate) last_event_id: Option<String>,
    pub(crate) standing: Standing,
}

impl FunctionsService {
    /// Opens a stream: lines from now on, or those after the line with the id.
    pub(crate) async fn tail(self: &Arc<Self>, wish: TailWish) -> Result<Response, ApiError> {
        let TailWish { project, name, mut lines, last_event_id, standing } = wish;
        let function = self.get(&project, &name).await?.id;
        // Filters that cannot be are refused before the stream is open.
        let none = LogQuery { after: Some(i64::MAX), limit: 1, ..lines.clone() };
        self.logs.written(&project, &function, none).await.map_err(FunctionsError::from)?;
        let ticket = self.open_stream(&project)?;
        // In this order: what is written in between is sent.
        let wake_up = self.logs.follow(&function);
        let newest = LogQuery { limit: 1, ..LogQuery::default() };
        let newest = self.logs.query(&project, &function, newest).await.map_err(FunctionsError::from)?;
        let newest = newest.next.unwrap_or(0);
        let given = last_event_id.map(|id| id.parse::<i64>().ok().filter(|id| (0..=newest).contains(id)));
        lines.after = Some(given.flatten().unwrap_or(newest));
        lines.limit = PAGE;
        let (outbox, response) = Outbox::open(OUTBOX, ticket);
        let connected = json!({ "project_id": project.as_str(), "function": name });
        let id = lines.after.map(|after| after.to_string());
        // The first events find room.
        let _room = outbox.offer(sse::event("connected", id.as_deref(), connected.to_string().as_bytes()));
        if given == Some(None) {
            let _room = outbox.offer(sse::event("resync", id.as_deref(), b"{}"));
        }
        let tail = Tail { service: self.clone(), project, name, function, lines, outbox, standing };
        tokio::spawn(tail.run(wake_up));
        Ok(response)
    }

    fn open_stream(self: &Arc<Self>, project: &ProjectId) -> Result<Ticket, ApiError> {
        if self.streams_end.is_cancelled() {
            return Err(ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"));
        }
        let mut streams = self.log_streams.lock();
        if streams.values().sum::<usize>() >= self.config.log_streams_max {
            let message = "the server has as many log streams as it may, try again";
            return Err(ApiError::new(ErrorCode::Overloaded, message).retry_after(RETRY_AFTER));
        }
        let open = streams.entry(project.clone()).or_default();
        if *open >= self.config.log_streams_per_project_max {
            let message = "the project has as many log streams as it may: end some first";
            return Err(ApiError::new(ErrorCode::RateLimited, message).retry_after(RETRY_AFTER));
        }
        *open += 1;
        Ok(Ticket { service: self.clone(), project: project.clone() })
    }
}

/// One open stream.
struct Tail {
    service: Arc<FunctionsService>,
    project: ProjectId,
    name: String,
    function: FunctionId,
    lines: LogQuery,
    outbox: Arc<Outbox>,
    standing: Standing,
}

impl Tail {
    async fn run(self, wake_up: watch::Receiver<()>) {
        let reason = tokio::select! {
            reason = self.send_lines(wake_up) => reason,
            reason = self.watch_over() => reason,
            () = self.service.streams_end.cancelled() => "shutting_down",
            () = self.outbox.closed() => return,
        };
        self.outbox.end(sse::event("close", None, json!({ "reason": reason }).to_string().as_bytes()));
    }

    /// Sends what is written, as fast as the reader takes it; ends with a reason.
    async fn send_lines(&self, mut wake_up: watch::Receiver<()>) -> &'static str {
        let mut wanted = self.lines.clone();
        loop {
            let page = match self.service.logs.written(&self.project, &self.function, wanted.clone()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, function = %self.function, "a log stream cannot read and ends");
                    return "unavailable";
                }
            };
            let more = page.more || !page.lines.is_empty();
            wanted.after = page.next;
            for line in page.lines {
                // Nobody reads any more: `run` sees it.
                let _gone = self.outbox.send(event(line)).await;
            }
            if !more && wake_up.changed().await.is_err() {
                return "shutting_down";
            }
        }
    }

    /// Shows that the stream lives, and asks whether it still may; ends with a reason.
    async fn watch_over(&self) -> &'static str {
        let (mut heartbeats, mut questions) = (every(HEARTBEAT_EVERY), every(Standing::EVERY));
        let mut unsure_since: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = heartbeats.tick() => {
                    self.outbox.heartbeat();
                    continue;
                }
                _ = questions.tick() => {}
            }
            match self.standing.check().await {
                Ok(_) => unsure_since = None,
                Err(AccessError::Unavailable(_)) => {
                    if unsure_since.get_or_insert_with(Instant::now).elapsed() > UNSURE_MAX {
                        return "unavailable";
                    }
                }
                Err(_) => return "revoked",
            }
            match self.service.get(&self.project, &self.name).await {
                Ok(row) if row.id == self.function => {}
                Ok(_) | Err(FunctionsError::NotFound) => return "function_deleted",
                Err(error) => tracing::debug!(%error, "a function could not be looked up"),
            }
        }
    }
}

/// Ticks from one interval on.
fn every(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn event(line: StoredLine) -> bytes::Bytes {
    let id = line.cursor.to_string();
    let view = crate::http::LogView::from(line);
    let data = serde_json::to_vec(&view).unwrap_or_else(|_| b"{}".to_vec());
    sse::event("line", Some(&id), &data)
}
