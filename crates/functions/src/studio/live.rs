//! Streams of runs and of lines, as server-sent events. Who reads is asked for again all the time.

use super::look::LinesWanted;
use super::{Answer, Subject, view};
use crate::tail::every;
use http::Response;
use run_log::{LogQuery, RunLogError, RunQuery};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::error::ApiError;
use service_kit::sse::{self, HEARTBEAT_EVERY, Outbox, OutboxLimits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Events that wait for a reader.
const OUTBOX: OutboxLimits = OutboxLimits { events_max: 64, bytes_max: 256 << 10 };
/// Items that are read at once.
const PAGE: usize = 100;
/// How often it is asked whether the reader still may.
const ASK_EVERY: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// What a stream is about.
enum Topic {
    Runs,
    Lines(LogQuery),
}

impl Subject {
    pub(super) async fn live_runs(self, _: Nothing) -> Result<Answer, ApiError> {
        self.open(Topic::Runs).await
    }

    pub(super) async fn live_logs(self, wanted: LinesWanted) -> Result<Answer, ApiError> {
        self.open(Topic::Lines(wanted.query())).await
    }

    async fn open(self, topic: Topic) -> Result<Answer, ApiError> {
        let place = self.service.open_stream(&self.project)?;
        // Before anything is read: what is written in between is sent.
        let wake_up = self.service.logs.follow(&self.function);
        let newest = self.newest(&topic).await.map_err(super::look::told)?;
        let (outbox, response): (Arc<Outbox>, Response<_>) = Outbox::open(OUTBOX, place);
        // The first event finds room.
        let _room = outbox.offer(sse::event("connected", None, b"{}"));
        tokio::spawn(self.stream(topic, newest, (outbox, wake_up)));
        Ok(Answer::Events(response))
    }

    /// The cursor of the newest item.
    async fn newest(&self, topic: &Topic) -> Result<i64, RunLogError> {
        let logs = &self.service.logs;
        Ok(match topic {
            Topic::Runs => {
                let wanted =
                    RunQuery { function: Some(self.function.clone()), limit: 1, ..RunQuery::default() };
                logs.runs(&self.project, wanted).await?.runs.first().map_or(0, |run| run.cursor)
            }
            Topic::Lines(_) => {
                let wanted = LogQuery { limit: 1, ..LogQuery::default() };
                logs.query(&self.project, &self.function, wanted).await?.next.unwrap_or(0)
            }
        })
    }

    async fn stream(self, topic: Topic, after: i64, (outbox, wake_up): (Arc<Outbox>, watch::Receiver<()>)) {
        let reason = tokio::select! {
            reason = self.send(&topic, after, (&outbox, wake_up)) => reason,
            reason = self.watch_over(&outbox) => reason,
            () = self.service.streams_end.cancelled() => "shutting_down",
            () = outbox.closed() => return,
        };
        outbox.end(sse::event("close", None, json!({ "reason": reason }).to_string().as_bytes()));
    }

    async fn send(
        &self,
        topic: &Topic,
        mut after: i64,
        (outbox, mut wake_up): (&Outbox, watch::Receiver<()>),
    ) -> &'static str {
        let name = if matches!(topic, Topic::Runs) { "run" } else { "line" };
        loop {
            let (items, next, more) = match self.after(topic, after).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, function = %self.function, "a stream of studio cannot read and ends");
                    return "unavailable";
                }
            };
            after = next;
            for item in items {
                // Nobody reads any more: `stream` sees it.
                let _gone = outbox.send(sse::event(name, None, item.to_string().as_bytes())).await;
            }
            if !more && wake_up.changed().await.is_err() {
                return "shutting_down";
            }
        }
    }

    /// Items after a cursor, the oldest first; of more runs than a page the newest.
    async fn after(&self, topic: &Topic, after: i64) -> Result<(Vec<Value>, i64, bool), RunLogError> {
        let logs = &self.service.logs;
        match topic {
            Topic::Runs => {
                let function = Some(self.function.clone());
                let wanted = RunQuery { function, after: Some(after), limit: PAGE, ..RunQuery::default() };
                let found = logs.written_runs(&self.project, wanted).await?.runs;
                let next = found.first().map_or(after, |run| run.cursor);
                Ok((found.iter().rev().map(|run| self.run_view(run)).collect(), next, false))
            }
            Topic::Lines(lines) => {
                let wanted = LogQuery { after: Some(after), limit: PAGE, ..lines.clone() };
                let found = logs.written(&self.project, &self.function, wanted).await?;
                let more = found.more || !found.lines.is_empty();
                Ok((found.lines.iter().map(view::line).collect(), found.next.unwrap_or(after), more))
            }
        }
    }

    /// Shows that the stream lives, and asks whether its reader still may.
    async fn watch_over(&self, outbox: &Outbox) -> &'static str {
        let (mut heartbeats, mut questions) = (every(HEARTBEAT_EVERY), every(ASK_EVERY));
        loop {
            tokio::select! {
                _ = heartbeats.tick() => outbox.heartbeat(),
                _ = questions.tick() => if self.asked.admit().await.is_err() {
                    return "revoked";
                },
            }
        }
    }
}
