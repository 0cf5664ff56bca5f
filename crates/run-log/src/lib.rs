//! What ran: runs, log lines, traces and figures of functions. Owns `logs.db` and the JSONL files beside it.
//!
//! Writers call [`RunLog::write`] for a line and [`RunLog::record`] for a run; both only put something into
//! memory. One task takes it from there: it replaces secrets, writes batches, wakes who follows, keeps
//! retention and hands a copy to the OTLP exporter.
//!
//! What must hold: writing never blocks and never fails a call; what does not fit into the buffer or cannot
//! be written is counted, for each function; nothing of one project is seen in another, nor pushes out what
//! another one keeps; the values of declared secrets are replaced before anything is stored or exported;
//! nothing is kept beyond its retention. A crash may lose the last 2 seconds (`synchronous=NORMAL`); what
//! was written before stays readable.

mod aggregate;
mod buffer;
mod config;
mod error;
mod files;
mod line;
mod otlp;
mod payload;
mod redact;
mod run;
mod run_log;
mod scope;
mod store;
mod tail;
mod trace;
mod writer;

pub use aggregate::{
    Buckets, Chart, ChartWindow, Distribution, Figures, Point, VersionFigures, VersionTotals,
};
pub use config::RunLogConfig;
pub use error::RunLogError;
pub use line::{FieldFilter, Level, LogLine, LogPage, LogQuery, Order, StoredLine};
pub use otlp::OtlpConfig;
pub use payload::{KeptPayload, Payload};
pub use redact::{Redactor, SecretFields};
pub use run::{Run, RunDetail, RunError, RunPage, RunQuery, RunStatus, StoredRun, Trigger};
pub use run_log::RunLog;
pub use scope::Losses;
pub use trace::{OpenSpan, RunTrace, Span, SpanId, SpanKind, Spans, TraceContext, TraceId, TraceparentError};
