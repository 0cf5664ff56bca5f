//! The plain types of runs: one as it is recorded, a query, one as it is read.

use crate::line::LogPage;
use crate::payload::{KeptPayload, Payload};
use crate::trace::{RunTrace, Span, SpanId, TraceId};
use serde::Serialize;
use service_kit::ids::{FunctionId, ProjectId};
use std::borrow::Cow;
use std::sync::Arc;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $rank:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it stands in answers and queries.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads what `as_str` wrote.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }

            pub(crate) fn rank(self) -> i64 {
                match self { $(Self::$variant => $rank,)* }
            }

            pub(crate) fn of_rank(rank: i64) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.rank() == rank)
            }
        }
    };
}

named! {
    /// What made a call happen.
    Trigger {
        /// A request.
        Http = 0, "http";
        /// A schedule.
        Cron = 1, "cron";
        /// A published event, or a change of a document.
        Event = 2, "event";
        /// A job of the queue.
        Queue = 3, "queue";
        /// A request of another system that proved itself by a signature.
        Webhook = 4, "webhook";
        /// A tool call.
        Mcp = 5, "mcp";
        /// A person at a command line.
        Cli = 6, "cli";
        /// A gRPC call.
        Grpc = 7, "grpc";
        /// Another function.
        Function = 8, "function";
        /// Studio, or `bunbase run`.
        Call = 9, "call";
    }
}

named! {
    /// How a run ended.
    RunStatus {
        /// As it should.
        Ok = 0, "ok";
        /// With an error; such runs are always kept.
        Error = 1, "error";
        /// The caller went away.
        Cancelled = 2, "cancelled";
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunError {
    /// For programs, such as `handler_error`.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
}

/// One execution of a handler, recorded when it has ended. Each attempt is a run of its own.
#[derive(Debug, Clone)]
pub struct Run {
    /// The invocation's id. A second run with the same id in the project is not kept.
    pub id: Arc<str>,
    /// Whose.
    pub project: ProjectId,
    /// Which function's.
    pub function: FunctionId,
    /// The version that ran.
    pub version: Arc<str>,
    /// Which handler of the version; none where it has one only.
    pub handler: Option<Arc<str>>,
    /// What made it happen.
    pub trigger: Trigger,
    /// How it ended.
    pub status: RunStatus,
    /// The HTTP status that was answered.
    pub http_status: Option<u16>,
    /// Milliseconds since the epoch.
    pub started_at_ms: i64,
    /// From the start to the answer, waiting included.
    pub duration_us: u64,
    /// How long it waited for a worker.
    pub queue_wait_us: u64,
    /// How long a worker was started for it; none where one was there.
    pub cold_start_us: Option<u64>,
    /// 1 for the first.
    pub attempt: u32,
    /// Its place in a trace.
    pub trace: RunTrace,
    /// What it spent its time with; kept where the trace is sampled.
    pub spans: Vec<Span>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// The run that called it.
    pub parent_id: Option<Arc<str>>,
    /// What it was given, where that is kept.
    pub input: Option<Payload>,
    /// What it answered, where that is kept.
    pub output: Option<Payload>,
}

impl Run {
    /// When it ended, in milliseconds since the epoch.
    pub(crate) fn ended_at_ms(&self) -> i64 {
        self.started_at_ms.saturating_add(i64::try_from(self.duration_us / 1_000).unwrap_or(i64::MAX))
    }

    /// What the run takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |error| error.code.len() + error.message.len());
        let spans: usize = self.spans.iter().map(|span| size_of::<Span>() + span.name.len()).sum();
        let payloads: usize = [&self.input, &self.output].into_iter().flatten().map(Payload::bytes).sum();
        size_of::<Self>() + error + spans + payloads
    }
}

/// Which runs of a project are wanted, the newest first.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Of this function only.
    pub function: Option<FunctionId>,
    /// Of this version only.
    pub version: Option<String>,
    /// Of this handler only.
    pub handler: Option<String>,
    /// That ended so.
    pub status: Option<RunStatus>,
    /// That failed with this code.
    pub error_code: Option<String>,
    /// With an error of any code, or without one.
    pub has_error: Option<bool>,
    /// That were triggered so.
    pub trigger: Option<Trigger>,
    /// Of this trace.
    pub trace_id: Option<TraceId>,
    /// That were called by this run.
    pub parent_id: Option<String>,
    /// Started at or after this moment, in milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Started before this moment.
    pub until_ms: Option<i64>,
    /// That took at least so long.
    pub duration_us_min: Option<u64>,
    /// Runs at most; the configuration caps it.
    pub limit: usize,
    /// Runs before this cursor.
    pub before: Option<i64>,
    /// Runs after this cursor.
    pub after: Option<i64>,
}

impl RunQuery {
    /// Whether runs have to be looked at one by one.
    pub(crate) fn is_filtered(&self) -> bool {
        self.version.is_some()
            || self.handler.is_some()
            || self.status.is_some()
            || self.error_code.is_some()
            || self.has_error.is_some()
            || self.trigger.is_some()
            || self.parent_id.is_some()
            || self.since_ms.is_some()
            || self.until_ms.is_some()
            || self.duration_us_min.is_some()
    }
}

/// One run out of the store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredRun {
    /// Its place in the store.
    #[serde(skip)]
    pub cursor: i64,
    /// The invocation's id.
    pub id: String,
    /// Whose it is.
    pub function: String,
    /// The version that ran.
    pub version: String,
    /// Which handler of the version.
    pub handler: Option<String>,
    /// What made it happen.
    pub trigger: Trigger,
    /// How it ended.
    pub status: RunStatus,
    /// The HTTP status that was answered.
    pub http_status: Option<u16>,
    /// Milliseconds since the epoch.
    pub started_at_ms: i64,
    /// From the start to the answer.
    pub duration_us: u64,
    /// How long it waited for a worker.
    pub queue_wait_us: u64,
    /// How long a worker was started for it.
    pub cold_start_us: Option<u64>,
    /// 1 for the first.
    pub attempt: u32,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its own span in the trace.
    pub span_id: SpanId,
    /// The span that it is part of.
    pub parent_span_id: Option<SpanId>,
    /// Whether its spans were kept.
    pub sampled: bool,
    /// What it spent its time with.
    pub spans: Vec<Span>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// The run that called it.
    pub parent_id: Option<String>,
    /// What it was given; in lists never there.
    #[serde(skip)]
    pub input: Option<KeptPayload>,
    /// What it answered; in lists never there.
    #[serde(skip)]
    pub output: Option<KeptPayload>,
}

impl StoredRun {
    /// What the run takes in a message, about.
    pub(crate) fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |error| error.message.len());
        let spans: usize = self.spans.iter().map(|span| size_of::<Span>() + span.name.len()).sum();
        size_of::<Self>() + error + spans
    }
}

/// Runs, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<StoredRun>,
    /// Given as `before`, it asks for older ones.
    pub next: Option<i64>,
    /// Whether there are older ones to look at.
    pub more: bool,
}

/// A run with what it logged.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetail {
    /// The run.
    pub run: StoredRun,
    /// Its first lines, the oldest first.
    pub lines: LogPage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_and_statuses_survive_being_stored() {
        for trigger in Trigger::ALL.iter().copied() {
            assert_eq!(Trigger::of_rank(trigger.rank()), Some(trigger));
            assert_eq!(Trigger::parse(trigger.as_str()), Some(trigger));
            assert_eq!(serde_json::to_value(trigger).unwrap(), trigger.as_str());
        }
        for status in RunStatus::ALL.iter().copied() {
            assert_eq!(RunStatus::of_rank(status.rank()), Some(status));
            assert_eq!(RunStatus::parse(status.as_str()), Some(status));
        }
    }
}
