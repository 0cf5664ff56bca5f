//! Streams of a function's log. Lines come from the store by cursor, so that none is lost or sent twice,
//! also for a reader that comes back; a reader that is slow makes its own stream wait and nothing else.

use crate::error::FunctionsError;
use crate::places::Place;
use crate::service::FunctionsService;
use axum::response::Response;
use ports::access::AccessError;
use routes::Standing;
use run_log::{LogQuery, StoredLine};
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{FunctionId, ProjectId};
use service_kit::sse::{self, HEARTBEAT_EVERY, Outbox, OutboxLimits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// Lines that wait for a reader.
const OUTBOX: OutboxLimits = OutboxLimits { events_max: 64, bytes_max: 256 << 10 };
/// Lines that are read at once.
const PAGE: usize = 64;
/// How long a stream outlives that nobody can say whether it may be open.
pub(crate) const UNSURE_MAX: Duration = Duration::from_secs(5);

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
    /// Opens a stream of server-sent events: lines from now on, or those after the line with the id.
    pub(crate) async fn tail(self: &Arc<Self>, wish: TailWish) -> Result<Response, ApiError> {
        let TailWish { project, name, lines, last_event_id, standing } = wish;
        let connected = json!({ "project_id": project.as_str(), "function": name });
        let (mut tail, ticket) = self.open_tail((project, name), lines, standing).await?;
        let newest = tail.newest().await?;
        let given = last_event_id.map(|id| id.parse::<i64>().ok().filter(|id| (0..=newest).contains(id)));
        let after = given.flatten().unwrap_or(newest);
        tail.lines.after = Some(after);
        let (outbox, response) = Outbox::open(OUTBOX, ticket);
        let id = after.to_string();
        // The first events find room.
        let _room = outbox.offer(sse::event("connected", Some(&id), connected.to_string().as_bytes()));
        if given == Some(None) {
            let _room = outbox.offer(sse::event("resync", Some(&id), b"{}"));
        }
        tokio::spawn(tail.run(outbox));
        Ok(response)
    }

    /// A stream that may be opened, and its place, to be held as long as it is read.
    pub(crate) async fn open_tail(
        self: &Arc<Self>,
        (project, name): (ProjectId, String),
        mut lines: LogQuery,
        standing: Standing,
    ) -> Result<(Tail, Place), ApiError> {
        let function = self.get(&project, &name).await?.id;
        // Filters that cannot be are refused before the stream is open.
        let none = LogQuery { after: Some(i64::MAX), limit: 1, ..lines.clone() };
        self.logs.written(&project, &function, none).await.map_err(FunctionsError::from)?;
        let ticket = self.open_stream(&project)?;
        // Before anything is read: what is written in between is sent.
        let wake_up = self.logs.follow(&function);
        lines.limit = PAGE;
        Ok((Tail { service: self.clone(), project, name, function, lines, standing, wake_up }, ticket))
    }

    pub(crate) fn open_stream(&self, project: &ProjectId) -> Result<Place, ApiError> {
        if self.streams_end.is_cancelled() {
            return Err(ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"));
        }
        self.log_streams.take(project)
    }
}

/// Where the lines of a stream go.
pub(crate) trait Reader: Send + Sync {
    /// Takes a line when there is room; one that nobody reads any more is dropped.
    fn take(&self, line: StoredLine) -> impl Future<Output = ()> + Send;
    /// Shows that the stream lives.
    fn heartbeat(&self);
    /// Nobody reads any more.
    fn gone(&self) -> impl Future<Output = ()> + Send;
    /// Nothing comes after what was taken.
    fn end(&self, ending: Ending) -> impl Future<Output = ()> + Send;
}

/// Why a stream ends that somebody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    ShuttingDown,
    Unavailable,
    Revoked,
    FunctionDeleted,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::Unavailable => "unavailable",
            Self::Revoked => "revoked",
            Self::FunctionDeleted => "function_deleted",
        }
    }
}

impl Reader for Arc<Outbox> {
    async fn take(&self, line: StoredLine) {
        // Nobody reads any more: `run` sees it.
        let _gone = self.send(event(line)).await;
    }

    fn heartbeat(&self) {
        Outbox::heartbeat(self);
    }

    async fn gone(&self) {
        self.closed().await;
    }

    async fn end(&self, ending: Ending) {
        let reason = json!({ "reason": ending.as_str() }).to_string();
        Outbox::end(self, sse::event("close", None, reason.as_bytes()));
    }
}

/// One open stream.
pub(crate) struct Tail {
    service: Arc<FunctionsService>,
    project: ProjectId,
    name: String,
    function: FunctionId,
    /// Which lines: those after `after`, once it is set.
    pub(crate) lines: LogQuery,
    standing: Standing,
    wake_up: watch::Receiver<()>,
}

impl Tail {
    /// The newest line's cursor, whatever its filters.
    async fn newest(&self) -> Result<i64, FunctionsError> {
        let newest = LogQuery { limit: 1, ..LogQuery::default() };
        Ok(self.service.logs.query(&self.project, &self.function, newest).await?.next.unwrap_or(0))
    }

    /// Sends lines until there is a reason to end.
    pub(crate) async fn run(self, reader: impl Reader) {
        let ending = tokio::select! {
            ending = self.send_lines(&reader) => ending,
            ending = self.watch_over(&reader) => ending,
            () = self.service.streams_end.cancelled() => Ending::ShuttingDown,
            () = reader.gone() => return,
        };
        reader.end(ending).await;
    }

    /// Sends what is written, as fast as the reader takes it.
    async fn send_lines(&self, reader: &impl Reader) -> Ending {
        let (mut wanted, mut wake_up) = (self.lines.clone(), self.wake_up.clone());
        loop {
            let page = match self.service.logs.written(&self.project, &self.function, wanted.clone()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, function = %self.function, "a log stream cannot read and ends");
                    return Ending::Unavailable;
                }
            };
            let more = page.more || !page.lines.is_empty();
            wanted.after = page.next;
            for line in page.lines {
                reader.take(line).await;
            }
            if !more && wake_up.changed().await.is_err() {
                return Ending::ShuttingDown;
            }
        }
    }

    /// Shows that the stream lives, and asks whether it still may.
    async fn watch_over(&self, reader: &impl Reader) -> Ending {
        let (mut heartbeats, mut questions) = (every(HEARTBEAT_EVERY), every(Standing::EVERY));
        let mut unsure_since: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = heartbeats.tick() => {
                    reader.heartbeat();
                    continue;
                }
                _ = questions.tick() => {}
            }
            match self.standing.check().await {
                Ok(_) => unsure_since = None,
                Err(AccessError::Unavailable(_)) => {
                    if unsure_since.get_or_insert_with(Instant::now).elapsed() > UNSURE_MAX {
                        return Ending::Unavailable;
                    }
                }
                Err(_) => return Ending::Revoked,
            }
            match self.service.get(&self.project, &self.name).await {
                Ok(row) if row.id == self.function => {}
                Ok(_) | Err(FunctionsError::NotFound) => return Ending::FunctionDeleted,
                Err(error) => tracing::debug!(%error, "a function could not be looked up"),
            }
        }
    }
}

/// Ticks from one interval on.
pub(crate) fn every(interval: Duration) -> tokio::time::Interval {
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
