//! Traces: the context that travels with calls (W3C Trace Context), the spans of a run, and the newest
//! traces of each project in memory.

mod context;
mod id;
mod ring;
mod span;

pub use context::{RunTrace, TraceContext, TraceparentError};
pub use id::{SpanId, TraceId};
pub(crate) use ring::Rings;
pub use span::{OpenSpan, Span, SpanKind, Spans};
