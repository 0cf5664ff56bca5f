//! The states of workers, their replacement, work after the answer, and callers that go away.

use std::time::Duration;

use worker_pool::{EndReason, WorkerState};

use crate::support::{Bench, call, get, get_text, text, until};

const PID: &str = "export default () => new Response(String(process.pid))";

#[tokio::test]
async fn a_worker_goes_through_its_states_and_each_is_told_once() {
    let bench = Bench::start().await;
    let version = bench.load("states", PID).await;
    let [worker] = &version.workers()[..] else { panic!("one worker") };
    assert_eq!((worker.state, worker.calls), (WorkerState::Warm, 0));
    let pid = worker.pid;
    assert_eq!(bench.host.states(pid), ["WARM"]);
    assert_eq!(get_text(&version, "/").await, pid.to_string());
    until(|| bench.host.states(pid) == ["WARM", "BUSY", "IDLE"]).await;
    let worker = version.workers()[0].clone();
    assert_eq!((worker.state, worker.calls, worker.in_flight), (WorkerState::Idle, 1, 0));
    assert!(worker.memory_bytes > 0);
    let times = worker.times;
    assert!(times.warm >= Some(times.started) && times.busy >= times.warm && times.idle > times.busy);
    version.retire().await;
    assert_eq!(bench.host.states(pid), ["WARM", "BUSY", "IDLE", "TERMINATED"]);
    let worker = version.workers()[0].clone();
    assert_eq!((worker.state, worker.end), (WorkerState::Terminated, Some(EndReason::Retired)));
    assert!(worker.times.terminated >= times.idle);
    let stats = version.stats();
    assert!(
        stats.workers == 0 && stats.cpu > Duration::ZERO,
        "what an ended worker used stays counted: {stats:?}"
    );
}

#[tokio::test]
async fn an_end_is_shown_with_its_reason() {
    let bench = Bench::start().await;
    let version = bench.load("crashes", "export default () => process.exit(1)").await;
    let pid = version.stats().pids[0];
    call(&version, get("/")).await.unwrap_err();
    until(|| bench.host.states(pid).last() == Some(&"TERMINATED")).await;
    let ended = version.workers().into_iter().find(|worker| worker.pid == pid).unwrap();
    assert_eq!(ended.end, Some(EndReason::Crashed));
}

#[tokio::test]
async fn a_worker_is_replaced_after_so_many_calls_and_none_is_lost() {
    let bench = Bench::start().await;
    let settings = |settings: &mut worker_pool::VersionSettings| {
        (settings.max_workers, settings.recycle_calls) = (1, 20);
    };
    let version = bench.load_with("calls", PID, settings).await;
    let first = version.stats().pids[0];
    while get_text(&version, "/").await == first.to_string() {}
    until(|| bench.host.states(first).last() == Some(&"TERMINATED")).await;
    let ended = version.workers().into_iter().find(|worker| worker.pid == first).unwrap();
    assert_eq!(ended.end, Some(EndReason::Retired));
    assert!(ended.calls >= 20);
}

#[tokio::test]
async fn a_worker_is_replaced_when_it_is_old_and_what_it_does_is_waited_for() {
    let bench = Bench::start().await;
    let source = "const gate = Promise.withResolvers(); export default async (req) => {
        if (new URL(req.url).pathname === '/wait') { console.log('waits'); await new Promise((done) => setTimeout(done, 700)) }
        return new Response(String(process.pid));
    }";
    let settings =
        |settings: &mut worker_pool::VersionSettings| settings.recycle_age = Duration::from_millis(400);
    let version = bench.load_with("old", source, settings).await;
    let first = version.stats().pids[0].to_string();
    let waiting = get_text(&version, "/wait");
    let replaced = async {
        until(|| version.stats().pids.iter().all(|pid| pid.to_string() != first)).await;
        get_text(&version, "/").await
    };
    let (waited, replaced) = tokio::join!(waiting, replaced);
    assert_eq!(waited, first);
    assert_ne!(replaced, first);
}

const BACKGROUND: &str = "const gate = Promise.withResolvers(); let signal;
const channel = globalThis[Symbol.for('bunbase.channel')];
export default async (req, context) => {
    const { waitUntil } = context;
    switch (new URL(req.url).pathname) {
        case '/later': waitUntil(gate.promise.then(() => console.log('done later'))); break;
        case '/channel': channel.waitUntil(gate.promise.then(() => console.log('done later'))); break;
        case '/fails': waitUntil(Promise.reject(new Error('in the background'))); break;
        case '/never': waitUntil(new Promise(() => {}));
            context.signal.addEventListener('abort', () => console.log('aborted: ' + context.signal.reason.name)); break;
        case '/stream': waitUntil(gate.promise.then(() => console.log('done later')));
            return new Response(new ReadableStream({ start(to) { to.enqueue('a'); to.close() } }));
        case '/open': gate.resolve(); break;
        case '/same': return Response.json([context.invocationId, context.signal === req.signal]);
    }
    return new Response('answered');
}";

#[tokio::test]
async fn work_after_the_answer_keeps_the_worker_until_it_is_done() {
    for path in ["/later", "/channel", "/stream"] {
        let bench = Bench::start().await;
        let version = bench.load_with("later", BACKGROUND, |settings| settings.max_workers = 1).await;
        let pid = version.stats().pids[0];
        let answer = get_text(&version, path).await;
        assert!(["answered", "a"].contains(&answer.as_str()));
        assert_eq!(version.stats().in_flight, 1, "{path}");
        assert_eq!(get_text(&version, "/open").await, "answered");
        let line = bench.host.line(|line| line.message == "done later").await;
        assert_eq!(line.invocation_id.as_deref(), Some(format!("inv-{path}").as_str()));
        until(|| version.stats().in_flight == 0).await;
        assert_eq!(version.stats().pids, [pid]);
    }
}

#[tokio::test]
async fn a_retiring_version_waits_for_work_after_the_answer() {
    let bench = Bench::start().await;
    let source = "export default (req, context) => {
        context.waitUntil(new Promise((done) => setTimeout(done, 300)).then(() => console.log('done later')));
        return new Response('answered');
    }";
    let version = bench.load("retires", source).await;
    assert_eq!(get_text(&version, "/").await, "answered");
    version.retire().await;
    bench.host.line(|line| line.message == "done later").await;
}

#[tokio::test]
async fn work_that_does_not_end_is_aborted_at_the_deadline() {
    let bench = Bench::start().await;
    let settings = |settings: &mut worker_pool::VersionSettings| {
        settings.execution_timeout = Duration::from_millis(200);
    };
    let version = bench.load_with("never", BACKGROUND, settings).await;
    assert_eq!(get_text(&version, "/never").await, "answered");
    bench.host.line(|line| line.message == "aborted: TimeoutError").await;
}

#[tokio::test]
async fn a_failure_in_the_background_is_logged_and_no_crash() {
    let bench = Bench::start().await;
    let version = bench.load("fails", BACKGROUND).await;
    let pid = version.stats().pids[0];
    assert_eq!(get_text(&version, "/fails").await, "answered");
    bench.host.line(|line| line.message.contains("in the background")).await;
    until(|| version.stats().in_flight == 0).await;
    assert_eq!(version.stats().pids, [pid]);
}

#[tokio::test]
async fn the_context_names_the_call_and_has_the_signal_of_the_request() {
    let bench = Bench::start().await;
    let version = bench.load("context", BACKGROUND).await;
    assert_eq!(get_text(&version, "/same").await, r#"["inv-/same",true]"#);
}

#[tokio::test]
async fn a_caller_that_goes_away_aborts_the_signal() {
    let bench = Bench::start().await;
    let source = "export default async (req, { signal }) => {
        console.log('entered');
        await new Promise((gone) => signal.addEventListener('abort', gone));
        console.log('gone: ' + signal.reason.name + ' ' + req.signal.aborted);
        return new Response();
    }";
    let version = bench.load("gone", source).await;
    let waiting = {
        let version = std::sync::Arc::clone(&version);
        tokio::spawn(async move { text(call(&version, get("/")).await.unwrap()).await })
    };
    bench.host.line(|line| line.message == "entered").await;
    waiting.abort();
    bench.host.line(|line| line.message == "gone: AbortError true").await;
    until(|| version.stats().in_flight == 0).await;
}
