//! Processes that end by themselves.

use std::sync::Arc;

use worker_pool::{InvokeError, LogSource};

use super::{Contained, code_and_status};
use crate::support::{Bench, call, get, get_text};

const CRASHES: &str = "export default async (req) => {
    const path = new URL(req.url).pathname;
    if (path === '/exit') process.exit(7);
    if (path === '/abort') process.abort();
    if (path === '/timer') setTimeout(() => { throw new Error('in a timer') });
    if (path === '/reject') setTimeout(() => { Promise.reject(new Error('unhandled')) });
    if (path === '/throw') throw new Error('of the handler');
    if (path !== '/ok') { console.log('entered'); await new Promise(() => {}); }
    return new Response(path);
}";

#[tokio::test]
async fn a_crash_fails_its_own_calls_and_the_next_call_works() {
    let contained = Contained::start(CRASHES).await;
    for path in ["/exit", "/abort"] {
        assert_eq!(code_and_status(&contained.error(path).await), ("worker_crashed", 502), "{path}");
        assert_eq!(contained.answer("/ok").await, "/ok");
    }
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn a_crash_in_a_timer_is_told_with_its_call() {
    let contained = Contained::start(CRASHES).await;
    assert_eq!(code_and_status(&contained.error("/timer").await), ("worker_crashed", 502));
    let line = contained.bench.host.line(|line| line.message.contains("in a timer")).await;
    assert_eq!((line.source, line.invocation_id.as_deref()), (LogSource::Runtime, Some("inv-/timer")));
    assert_eq!(contained.answer("/ok").await, "/ok");
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn an_unhandled_rejection_is_a_crash() {
    let contained = Contained::start(CRASHES).await;
    assert_eq!(code_and_status(&contained.error("/reject").await), ("worker_crashed", 502));
    contained.bench.host.line(|line| line.message.contains("unhandled")).await;
    assert_eq!(contained.answer("/ok").await, "/ok");
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn an_error_of_the_handler_is_no_crash() {
    let contained = Contained::start(CRASHES).await;
    let pid = contained.pid();
    assert_eq!(code_and_status(&contained.error("/throw").await), ("handler_error", 500));
    assert_eq!(contained.pid(), pid);
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn a_killed_worker_fails_begun_calls_at_once() {
    let contained = Contained::start(CRASHES).await;
    let waiting = tokio::spawn({
        let version = Arc::clone(&contained.version);
        async move { call(&version, get("/never")).await.map(drop) }
    });
    contained.bench.host.line(|line| line.message == "entered").await;
    crate::support::kill(contained.pid());
    assert!(matches!(waiting.await.unwrap(), Err(InvokeError::WorkerCrashed)));
    assert_eq!(contained.answer("/ok").await, "/ok");
}

#[tokio::test]
async fn a_crash_on_import_is_refused_with_its_reason_and_others_go_on() {
    let bench = Bench::start().await;
    let neighbour = bench.load("neighbour", "export default () => new Response('beside')").await;
    let ends = bench.load_error("ends", "process.exit(3)").await;
    assert_eq!((ends.code(), ends.status().as_u16()), ("bundle_import_crashed", 400));
    let throws = bench.load_error("throws", "throw new Error('at import')").await;
    assert_eq!((throws.code(), throws.status().as_u16()), ("bundle_import_failed", 400));
    assert!(throws.to_string().contains("at import"), "{throws}");
    assert_eq!(get_text(&neighbour, "/").await, "beside");
}
