//! Code that computes without a pause.

use std::time::Duration;

use futures_util::future::join_all;
use worker_pool::LogSource;

use super::{Contained, code_and_status};
use crate::support::{call, get, is_alive, text, until};

const LOOPS: &str = "import { writeSync } from 'node:fs';
const gate = Promise.withResolvers();
export default async (req) => {
    const path = new URL(req.url).pathname;
    if (path === '/stream') return new Response((async function* () {
        yield 'first '; await gate.promise; yield 'second';
    })());
    if (path === '/open') gate.resolve();
    if (path === '/loop') { try { for (;;) {} } finally { console.log('finally') } }
    if (path === '/behind-await') { await null; for (;;) {} }
    if (path === '/behind-timer') { await new Promise((done) => setTimeout(done, 1)); writeSync(1, 'looping\\n'); for (;;) {} }
    if (path === '/compute') { const end = performance.now() + 150; while (performance.now() < end); }
    if (path === '/regex') /^(a+)+$/.test('a'.repeat(26) + 'b');
    return new Response(path);
}";

async fn started(execution_timeout: Duration) -> Contained {
    Contained::start_with(LOOPS, |settings| settings.execution_timeout = execution_timeout).await
}

#[tokio::test]
async fn an_endless_loop_is_stopped_in_place_and_the_calls_behind_it_are_answered() {
    for path in ["/loop", "/behind-await"] {
        let contained = started(Duration::from_millis(400)).await;
        let pid = contained.pid();
        let endless = contained.error(path);
        // They lie behind it in the same socket, and their deadlines would pass when its does.
        let behind = async {
            until(|| contained.version.stats().in_flight == 1).await;
            join_all((0..10).map(|_| contained.answer("/behind"))).await
        };
        let (error, behind, ()) = tokio::join!(endless, behind, contained.neighbour_goes_on());
        assert_eq!(code_and_status(&error), ("timeout", 504), "{path}");
        assert_eq!(behind, vec!["/behind"; 10], "{path}");
        assert_eq!(contained.pid(), pid, "{path}: the process lives on");
        let line = contained.bench.host.line(|line| line.message.contains("without a pause")).await;
        let invocation = format!("inv-{path}");
        assert_eq!((line.source, line.invocation_id.as_deref()), (LogSource::Runtime, Some(&*invocation)));
        assert!(contained.bench.host.lines().iter().all(|line| line.message != "finally"));
    }
}

#[tokio::test]
async fn a_stream_of_the_same_process_survives_a_loop() {
    let contained = started(Duration::from_millis(400)).await;
    let pid = contained.pid();
    let stream = call(&contained.version, get("/stream")).await.unwrap();
    assert_eq!(contained.error("/loop").await.code(), "timeout");
    assert_eq!(contained.answer("/open").await, "/open");
    assert_eq!(text(stream).await, "first second");
    assert_eq!(contained.pid(), pid);
}

#[tokio::test]
async fn a_loop_behind_a_timer_ends_the_process_and_calls_not_begun_move() {
    let contained = started(Duration::from_millis(400)).await;
    let looping = contained.pid();
    let endless = contained.error("/behind-timer");
    let moved = async {
        contained.bench.host.line(|line| line.message == "looping").await;
        join_all((0..10).map(|_| contained.answer("/moved"))).await
    };
    let (error, moved, ()) = tokio::join!(endless, moved, contained.neighbour_goes_on());
    assert_eq!(code_and_status(&error), ("timeout", 504));
    assert_eq!(moved, vec!["/moved"; 10]);
    until(|| !is_alive(looping)).await;
    assert_ne!(contained.pid(), looping);
}

#[tokio::test]
async fn native_code_that_does_not_end_in_time_is_contained() {
    let contained = started(Duration::from_millis(200)).await;
    let error = contained.error("/regex").await;
    assert_eq!(code_and_status(&error), ("timeout", 504));
    assert_eq!(contained.answer("/after").await, "/after");
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn calls_that_compute_one_after_the_other_have_each_their_own_time() {
    let contained = started(Duration::from_millis(600)).await;
    // Together they take more than twice as long as one of them may.
    let answers = join_all((0..10).map(|_| contained.answer("/compute"))).await;
    assert_eq!(answers, vec!["/compute"; 10]);
}

#[tokio::test]
async fn an_import_that_computes_is_held_to_its_own_limit() {
    let source = "const end = performance.now() + 300; while (performance.now() < end);
        export default () => new Response('imported')";
    let contained =
        Contained::start_with(source, |settings| settings.execution_timeout = Duration::from_millis(100))
            .await;
    assert_eq!(contained.answer("/").await, "imported");
}
