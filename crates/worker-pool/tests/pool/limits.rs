//! Queues, slots, idle workers, retiring, logs by the gigabyte, and the end of the server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;
use worker_pool::{InvokeError, VersionSettings, Waited};

use crate::support::{Bench, call, get, get_text, is_alive, until};

const GATE: &str = "let open = []; export default (req) => {
    if (new URL(req.url).pathname !== '/open') return new Promise((done) => open.push(() => done(new Response('through'))));
    for (const go of open) go(); open = []; return new Response('opened');
}";

#[tokio::test]
async fn a_full_queue_refuses_and_a_long_wait_ends() {
    let bench = Bench::start().await;
    let settings = |settings: &mut VersionSettings| {
        (settings.max_workers, settings.max_concurrency) = (1, 2);
        (settings.queue_max, settings.queue_timeout) = (3, Duration::from_millis(200));
    };
    let version = bench.load_with("queue", GATE, settings).await;
    let calls = (0..6).map(|_| call(&version, get("/wait")));
    let refused = async {
        until(|| version.stats().queued == 3).await;
        let error = call(&version, get("/one-too-many")).await.unwrap_err();
        assert!(matches!(error, InvokeError::Overloaded { .. }), "{error}");
        assert_eq!((error.code(), error.status().as_u16()), ("overloaded", 503));
        assert!(error.retry_after().is_some());
    };
    let give_up = tokio::time::timeout(Duration::from_secs(2), join_all(calls.take(5)));
    let (answers, ()) = tokio::join!(give_up, refused);
    assert!(answers.is_err(), "two calls still wait in the handler");
}

#[tokio::test]
async fn a_call_that_waits_too_long_is_told_and_one_that_is_served_goes_on() {
    let bench = Bench::start().await;
    let settings = |settings: &mut VersionSettings| {
        (settings.max_workers, settings.max_concurrency) = (1, 2);
        settings.queue_timeout = Duration::from_millis(300);
    };
    let version = bench.load_with("wait", GATE, settings).await;
    let first = tokio::spawn({
        let version = Arc::clone(&version);
        async move { call(&version, get("/first")).await.map(drop) }
    });
    let second = tokio::spawn({
        let version = Arc::clone(&version);
        async move { call(&version, get("/second")).await.map(drop) }
    });
    until(|| version.stats().in_flight == 2).await;
    let late = call(&version, get("/late")).await.unwrap_err();
    assert!(matches!(late, InvokeError::QueueTimeout { .. }), "{late}");
    first.abort();
    second.abort();
    until(|| version.stats().queued == 0).await;
}

#[tokio::test]
async fn a_call_learns_what_it_waited_for() {
    let bench = Bench::start().await;
    let mut spec = bench.spec("waits", "export default () => new Response()");
    spec.settings.max_workers = 1;
    let version = bench.pool.register(spec);
    let (mut cold, mut warm) = (Waited::default(), Waited::default());
    version.invoke_measured(get("/"), &mut cold).await.unwrap();
    version.invoke_measured(get("/"), &mut warm).await.unwrap();
    assert!(cold.cold_start.is_some_and(|start| start > Duration::ZERO && start <= cold.total()), "{cold:?}");
    assert_eq!(warm, Waited::default());
}

#[tokio::test]
async fn another_worker_starts_when_all_slots_are_taken() {
    let bench = Bench::start().await;
    let settings = |settings: &mut VersionSettings| (settings.max_workers, settings.max_concurrency) = (2, 1);
    let source = "export default () => new Promise((done) => setTimeout(() => done(new Response(String(process.pid))), 100))";
    let version = bench.load_with("second", source, settings).await;
    let mut different = std::collections::HashSet::new();
    // How soon the second one is there is up to the machine.
    for _ in 0..50 {
        different.extend(join_all((0..4).map(|_| get_text(&version, "/"))).await);
        if different.len() == 2 {
            break;
        }
    }
    assert_eq!((different.len(), version.stats().workers), (2, 2));
}

#[tokio::test]
async fn a_registered_version_starts_with_its_first_call_and_ends_when_idle() {
    let bench = Bench::start().await;
    let mut spec = bench.spec("lazy", "export default () => new Response('awake')");
    spec.settings.idle_timeout = Duration::from_millis(100);
    let version = bench.pool.register(spec);
    assert_eq!(version.stats().workers, 0);
    assert_eq!(get_text(&version, "/").await, "awake");
    until(|| version.stats().workers == 0).await;
    until(|| bench.pool.stats().workers == 0).await;
    assert_eq!(get_text(&version, "/").await, "awake");
}

#[tokio::test]
async fn warm_workers_stay_and_come_back() {
    let bench = Bench::start().await;
    let mut spec = bench.spec("warm", "export default () => new Response('warm')");
    spec.settings.idle_timeout = Duration::from_millis(50);
    spec.settings.min_warm = 1;
    let version = bench.pool.register(spec);
    until(|| version.stats().workers == 1).await;
    let pid = version.stats().pids[0];
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    until(|| version.stats().pids.iter().any(|other| *other != pid)).await;
}

#[tokio::test]
async fn a_version_that_cannot_be_imported_any_more_fails_its_calls() {
    let bench = Bench::start().await;
    let spec = bench.spec("vanished", "export default () => new Response()");
    std::fs::remove_file(&spec.bundle_path).unwrap();
    let version = bench.pool.register(spec);
    let error = call(&version, get("/")).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("worker_start_failed", 503));
}

#[tokio::test]
async fn retiring_waits_for_calls_in_flight() {
    let bench = Bench::start().await;
    let source = "export default async () => { console.log('entered'); await new Promise((done) => setTimeout(done, 300)); return new Response('finished') }";
    let version = bench.load("old", source).await;
    let pid = version.stats().pids[0];
    let running = tokio::spawn({
        let version = Arc::clone(&version);
        async move { get_text(&version, "/").await }
    });
    bench.host.line(|line| line.message == "entered").await;
    version.retire().await;
    assert_eq!(running.await.unwrap(), "finished");
    assert!(!is_alive(pid));
    assert!(matches!(call(&version, get("/")).await, Err(InvokeError::Retired)));
}

#[tokio::test]
async fn a_flood_of_log_lines_is_bounded_and_counted() {
    let bench = Bench::start().await;
    let source = "const line = 'x'.repeat(10000); export default async (req) => {
        if (new URL(req.url).pathname === '/flood') {
            for (let at = 0; at < 20000; at += 1) console.log(line);
            for (let at = 0; at < 2000; at += 1) process.stdout.write(line + '\\n');
        }
        return new Response('survived');
    }";
    let version = bench.load("flood", source).await;
    assert_eq!(get_text(&version, "/flood").await, "survived");
    let kept: usize = bench.host.lines().iter().map(|line| line.message.len()).sum();
    assert!(kept < 32 << 20, "{kept} bytes of 200 MB were kept");
    assert_eq!(get_text(&version, "/ok").await, "survived");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let bench = Bench::start().await;
    let version = bench.load("heads", "export default () => new Response()").await;
    let mut request = get("/");
    for number in 0..20 {
        request.headers.append("x-large", HeaderValue::from_str(&format!("{number:030000}")).unwrap());
    }
    let error = call(&version, request).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("headers_too_large", 431));
}

#[tokio::test]
async fn dropping_the_pool_ends_its_processes() {
    let bench = Bench::start().await;
    until(|| bench.pool.stats().spares == 2).await;
    let version = bench.load("dropped", "export default () => new Response()").await;
    let pid = version.stats().pids[0];
    drop(version);
    until(|| !is_alive(pid)).await;
}
