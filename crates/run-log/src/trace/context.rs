//! `traceparent` as the W3C Recommendation "Trace Context" (§3.2) has it: read strictly, written in version 00.

use super::id::{SpanId, TraceId, digit};
use std::fmt;

/// Bytes of a header of version 00, which is the beginning of later ones.
const LENGTH: usize = 55;
/// The version that no header may have.
const FORBIDDEN_VERSION: u8 = 0xff;
const SAMPLED: u8 = 0x01;

/// The header is none; the trace begins anew (§4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the traceparent header is not valid")]
pub struct TraceparentError;

/// A place in a trace that others can refer to. `Display` writes it as the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that is the parent of what the receiver does.
    pub span_id: SpanId,
    /// Whether whoever began the trace records it.
    pub sampled: bool,
}

impl TraceContext {
    /// The beginning of a trace.
    pub fn root(sampled: bool) -> Self {
        Self { trace_id: TraceId::generate(), span_id: SpanId::generate(), sampled }
    }

    /// Another span of the same trace.
    pub fn child(&self) -> Self {
        Self { span_id: SpanId::generate(), ..*self }
    }

    /// The text of the header.
    pub fn header(&self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.trace_id.hex());
        text[36..52].copy_from_slice(&self.span_id.hex());
        text[54] = if self.sampled { b'1' } else { b'0' };
        text
    }

    /// Reads the one `traceparent` header of a request. A request with several of them has none.
    ///
    /// # Errors
    /// It is not a valid header.
    pub fn parse(header: &str) -> Result<Self, TraceparentError> {
        // Checked before the text is cut into pieces.
        if !header.is_ascii() || header.len() < LENGTH {
            return Err(TraceparentError);
        }
        let (known, rest) = header.split_at(LENGTH);
        let [version, trace_id, span_id, flags] = known.split('-').collect::<Vec<_>>()[..] else {
            return Err(TraceparentError);
        };
        let version = hex_byte(version).ok_or(TraceparentError)?;
        // Version 00 ends here; later ones may go on after a dash.
        let ends_well = rest.is_empty() || (version > 0 && rest.starts_with('-'));
        if version == FORBIDDEN_VERSION || !ends_well {
            return Err(TraceparentError);
        }
        Ok(Self {
            trace_id: TraceId::parse(trace_id).ok_or(TraceparentError)?,
            span_id: SpanId::parse(span_id).ok_or(TraceparentError)?,
            sampled: hex_byte(flags).ok_or(TraceparentError)? & SAMPLED == SAMPLED,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(std::str::from_utf8(&self.header()).map_err(|_| fmt::Error)?)
    }
}

fn hex_byte(text: &str) -> Option<u8> {
    let [high, low] = text.as_bytes() else { return None };
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// The place of a run in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTrace {
    /// The run's own span. Its header is what the handler gets and sends on.
    pub context: TraceContext,
    /// The span that the run is part of; none where the trace begins with it.
    pub parent: Option<SpanId>,
}

impl RunTrace {
    /// A run that is part of `parent`.
    pub fn under(parent: &TraceContext) -> Self {
        Self { context: parent.child(), parent: Some(parent.span_id) }
    }

    /// A run that begins a trace.
    pub fn root(sampled: bool) -> Self {
        Self { context: TraceContext::root(sampled), parent: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_recommendation_is_read_and_written() {
        let context = TraceContext::parse(HEADER).unwrap();
        assert_eq!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id.to_string(), "00f067aa0ba902b7");
        assert!(context.sampled);
        assert_eq!(context.to_string(), HEADER);
        let run = RunTrace::under(&context);
        assert_eq!((run.context.trace_id, run.parent), (context.trace_id, Some(context.span_id)));
        assert_ne!(run.context.span_id, context.span_id);
    }

    #[test]
    fn flags_other_than_sampled_are_not_passed_on() {
        let context = TraceContext::parse(&HEADER.replace("-01", "-fe")).unwrap();
        assert!(!context.sampled);
        assert_eq!(context.to_string(), HEADER.replace("-01", "-00"));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for header in
            [HEADER.replacen("00", "cc", 1), format!("{}-what-comes", HEADER.replacen("00", "01", 1))]
        {
            assert_eq!(TraceContext::parse(&header).unwrap().to_string(), HEADER, "{header}");
        }
    }

    #[test]
    fn headers_that_break_a_rule_are_refused() {
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        let cases = [
            String::new(),
            format!("ff-{ids}-01"),
            format!("00-{ids}"),
            format!("00-{ids}-1"),
            format!("00-{ids}-01-"),
            format!("00-{ids}-01-more"),
            format!("01-{ids}-01.more"),
            format!("00-{ids}-0x"),
            format!("0x-{ids}-01"),
            format!("00-{}-01", ids.to_uppercase()),
            format!(" 00-{ids}-01"),
            format!("00-{ids}-01 "),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(),
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01".to_owned(),
        ];
        for header in cases {
            assert_eq!(TraceContext::parse(&header), Err(TraceparentError), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(header in "\\PC{0,80}") {
            let _either = TraceContext::parse(&header);
        }

        #[test]
        fn what_is_written_is_read_again(sampled: bool) {
            let context = TraceContext::root(sampled);
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Ok(context));
        }
    }
}
