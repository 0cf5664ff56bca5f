//! What of the headers crosses: nothing that proves identity towards us reaches a handler, and nothing that
//! belongs to one connection crosses in either direction (RFC 9110 §7.6.1).

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use ports::access::{KEY_HEADER, SESSION_COOKIE};
use run_log::{RunTrace, TraceContext};

/// Names a call in requests and answers.
pub(crate) const INVOCATION_HEADER: HeaderName = HeaderName::from_static("x-invocation-id");

/// What triggers say in their requests; none of it comes from outside, but for the word of a developer's command line.
pub(crate) mod of_triggers {
    use http::HeaderName;

    /// `cron`, `event`, `document`, `queue`, `webhook` or `tool`.
    pub(crate) const TRIGGER: HeaderName = HeaderName::from_static("x-bunbase-trigger");
    /// 1 for the first attempt.
    pub(crate) const ATTEMPT: HeaderName = HeaderName::from_static("x-bunbase-attempt");
    /// The handler of the manifest that is meant.
    pub(crate) const HANDLER: HeaderName = HeaderName::from_static("x-bunbase-handler");
}

/// A place in a trace, and what systems add to it (W3C "Trace Context").
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What proves identity, and what only we say.
const OURS: [HeaderName; 6] = [
    HeaderName::from_static(KEY_HEADER),
    INVOCATION_HEADER,
    of_triggers::TRIGGER,
    of_triggers::ATTEMPT,
    of_triggers::HANDLER,
    actions::CONTEXT_HEADER,
];

const HOP_BY_HOP: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("transfer-encoding"),
    HeaderName::from_static("upgrade"),
];

/// Leaves what a handler may see. A developer's bearer token goes as well.
pub(crate) fn for_handler(headers: &mut HeaderMap, speaks_for_developer: bool) {
    remove_hop_by_hop(headers);
    while let Some(name) = headers.keys().find(|name| OURS.contains(name)).cloned() {
        headers.remove(name);
    }
    let proves_us = |value: &HeaderValue| speaks_for_developer || bears_key(value);
    if headers.get(AUTHORIZATION).is_some_and(proves_us) {
        headers.remove(AUTHORIZATION);
    }
    if headers.contains_key(COOKIE) {
        remove_session_cookie(headers);
    }
}

/// Whether a request says that the command line made it.
pub(crate) fn is_by_command_line(headers: &HeaderMap) -> bool {
    headers.get(of_triggers::TRIGGER).is_some_and(|trigger| trigger == "cli")
}

/// The caller's place in a trace; a request with several has none.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    all.next().filter(|_| all.next().is_none())?.to_str().ok()
}

/// Leaves the run's own place. What systems added to a trace does not go on in another one.
pub(crate) fn set_trace(headers: &mut HeaderMap, trace: &RunTrace) {
    if trace.parent.is_none() {
        headers.remove(TRACESTATE);
    }
    if let Some(value) = trace_value(&trace.context) {
        headers.insert(TRACEPARENT, value);
    }
}

/// Names a place where none is named.
pub(crate) fn continue_trace(headers: &mut HeaderMap, context: &TraceContext) {
    if !headers.contains_key(TRACEPARENT)
        && let Some(value) = trace_value(context)
    {
        headers.insert(TRACEPARENT, value);
    }
}

fn trace_value(context: &TraceContext) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&context.header()).ok()
}

/// Leaves what may go to the caller. The length of a whole body is counted by the listener.
pub(crate) fn for_caller(headers: &mut HeaderMap, keeps_length: bool) {
    remove_hop_by_hop(headers);
    if !keeps_length {
        headers.remove(CONTENT_LENGTH);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(named) = headers.remove(CONNECTION) {
        let names = named.to_str().unwrap_or_default().split(',');
        for name in names.filter_map(|name| HeaderName::try_from(name.trim()).ok()) {
            headers.remove(name);
        }
    }
    // Looking each of them up in every message would take longer.
    while let Some(name) = headers.keys().find(|name| HOP_BY_HOP.contains(name)).cloned() {
        headers.remove(name);
    }
}

fn bears_key(value: &HeaderValue) -> bool {
    let text = value.as_bytes();
    let token = text.iter().position(|byte| *byte == b' ').map_or(text, |space| &text[space..]).trim_ascii();
    token.starts_with(b"pk_") || token.starts_with(b"sk_")
}

fn remove_session_cookie(headers: &mut HeaderMap) {
    let is_of_others = |value: &HeaderValue| value.to_str().is_ok_and(|text| !text.contains(SESSION_COOKIE));
    // As in most requests: nothing is written again.
    if headers.get_all(COOKIE).iter().all(is_of_others) {
        return;
    }
    let is_session = |pair: &&str| pair.split('=').next().is_some_and(|name| name.trim() == SESSION_COOKIE);
    let kept: Vec<HeaderValue> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| {
            // What is no text cannot be told apart, and is not sent on.
            let pairs: Vec<&str> = value.to_str().ok()?.split(';').filter(|pair| !is_session(pair)).collect();
            let text = pairs.join(";");
            (!text.trim().is_empty()).then(|| HeaderValue::try_from(text.trim()).ok()).flatten()
        })
        .collect();
    headers.remove(COOKIE);
    for value in kept {
        headers.append(COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pairs: &[(&'static str, &'static str)], speaks_for_developer: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        for_handler(&mut headers, speaks_for_developer);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn keys_session_and_connection_headers_do_not_reach_the_handler() {
        let pairs = [
            ("x-bunbase-client-key", "pk_1"),
            ("authorization", "Bearer sk_1"),
            ("cookie", "session_token=secret"),
            ("x-invocation-id", "forged"),
            ("x-bunbase-trigger", "cron"),
            ("x-bunbase-attempt", "1"),
            ("x-bunbase-handler", "admin"),
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("accept", "*/*"),
        ];
        assert_eq!(seen(&pairs, false), ["accept: */*"]);
    }

    #[test]
    fn a_trace_goes_on_where_one_header_names_it() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
        assert_eq!(traceparent(&headers), Some(PARENT));
        let trace = RunTrace::under(&TraceContext::parse(PARENT).unwrap());
        set_trace(&mut headers, &trace);
        assert_eq!(traceparent(&headers), Some(trace.context.to_string().as_str()));
        continue_trace(&mut headers, &TraceContext::root(true));
        assert_eq!(traceparent(&headers), Some(trace.context.to_string().as_str()));
        assert_eq!(headers[TRACESTATE], "a=1");
        headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(traceparent(&headers), None);
        set_trace(&mut headers, &RunTrace::root(false));
        assert!(!headers.contains_key(TRACESTATE) && traceparent(&headers).is_some());
    }

    #[test]
    fn cookies_and_tokens_of_the_application_stay() {
        let pairs = [("authorization", "Bearer eyJ"), ("cookie", "a=1; session_token=x; b=2")];
        assert_eq!(seen(&pairs, false), ["authorization: Bearer eyJ", "cookie: a=1; b=2"]);
        assert_eq!(seen(&pairs, true), ["cookie: a=1; b=2"]);
    }
}
