//! Workers that crash, loop, or eat memory: their own calls fail, nobody else's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use worker_pool::{InvokeError, LogSource};

use crate::support::{Bench, call, get, get_text, is_alive, text, until};

const SWITCHED: &str = "export default async (req) => {
    const path = new URL(req.url).pathname;
    if (path === '/loop') for (;;) {}
    if (path === '/exit') process.exit(7);
    if (path === '/timer') setTimeout(() => { throw new Error('in a timer') });
    if (path === '/reject') setTimeout(() => { Promise.reject(new Error('unhandled')) });
    if (path === '/never' || path === '/timer' || path === '/reject') { console.log('entered'); await new Promise(() => {}); }
    return new Response(path);
}";

#[tokio::test]
async fn a_crash_fails_its_own_calls_and_the_next_call_works() {
    let bench = Bench::start().await;
    let version = bench.load_with("crash", SWITCHED, |settings| settings.max_workers = 1).await;
    for path in ["/exit", "/timer", "/reject"] {
        let error = call(&version, get(path)).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), ("worker_crashed", 502), "{path}");
        assert_eq!(get_text(&version, "/ok").await, "/ok");
    }
    let line = bench.host.line(|line| line.message.contains("in a timer")).await;
    assert_eq!((line.source, line.invocation_id.as_deref()), (LogSource::Runtime, Some("inv-/timer")));
    bench.host.line(|line| line.message.contains("unhandled")).await;
}

#[tokio::test]
async fn a_killed_worker_fails_begun_calls_at_once() {
    let bench = Bench::start().await;
    let version = bench.load_with("killed", SWITCHED, |settings| settings.max_workers = 1).await;
    let waiting = tokio::spawn({
        let version = Arc::clone(&version);
        async move { call(&version, get("/never")).await.map(drop) }
    });
    bench.host.line(|line| line.message == "entered").await;
    kill(version.stats().pids[0]);
    assert!(matches!(waiting.await.unwrap(), Err(InvokeError::WorkerCrashed)));
    assert_eq!(get_text(&version, "/ok").await, "/ok");
}

#[tokio::test]
async fn a_call_that_never_answers_times_out_and_others_go_on() {
    let bench = Bench::start().await;
    let settings = |settings: &mut worker_pool::VersionSettings| {
        settings.max_workers = 1;
        settings.execution_timeout = Duration::from_millis(300);
    };
    let version = bench.load_with("never", SWITCHED, settings).await;
    let pids = version.stats().pids;
    let error = call(&version, get("/never")).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("timeout", 504));
    assert_eq!(get_text(&version, "/ok").await, "/ok");
    assert_eq!(version.stats().pids, pids, "a worker that still answers is kept");
}

#[tokio::test]
async fn an_earlier_deadline_of_the_call_counts() {
    let bench = Bench::start().await;
    let version = bench.load("deadline", SWITCHED).await;
    let mut request = get("/never");
    request.deadline = Some(Instant::now() + Duration::from_millis(100));
    let error = call(&version, request).await.unwrap_err();
    assert!(
        matches!(error, InvokeError::Timeout(timeout) if timeout <= Duration::from_millis(100)),
        "{error}"
    );
}

#[tokio::test]
async fn an_endless_loop_is_killed_and_calls_that_had_not_begun_are_answered() {
    let bench = Bench::start().await;
    let settings = |settings: &mut worker_pool::VersionSettings| {
        settings.max_workers = 1;
        settings.execution_timeout = Duration::from_millis(400);
    };
    let version = bench.load_with("loop", SWITCHED, settings).await;
    let neighbour = bench.load("neighbour", SWITCHED).await;
    let neighbour_pids = neighbour.stats().pids;
    let looping = version.stats().pids[0];
    let endless = call(&version, get("/loop"));
    // They lie behind it in the same socket, and their deadlines pass when its does.
    let behind = async {
        until(|| version.stats().in_flight == 1).await;
        join_all((0..10).map(|_| get_text(&version, "/behind"))).await
    };
    let beside = async {
        for _ in 0..100 {
            assert_eq!(get_text(&neighbour, "/beside").await, "/beside");
        }
    };
    let (endless, behind, ()) = tokio::join!(endless, behind, beside);
    assert_eq!(endless.unwrap_err().code(), "timeout");
    assert_eq!(behind, vec!["/behind"; 10]);
    until(|| !is_alive(looping)).await;
    assert_eq!(neighbour.stats().pids, neighbour_pids);
}

#[tokio::test]
async fn a_worker_that_computes_gets_no_calls_until_it_answers() {
    let bench = Bench::start().await;
    let version = bench.load_with("busy", SWITCHED, |settings| settings.max_workers = 2).await;
    let computing = call(&version, get("/loop"));
    let others = async {
        until(|| version.stats().workers == 2).await;
        join_all((0..10).map(|_| get_text(&version, "/other"))).await
    };
    tokio::select! {
        _ = computing => panic!("the loop has no end"),
        others = others => assert_eq!(others, vec!["/other"; 10]),
    }
}

#[tokio::test]
async fn a_memory_hog_is_ended_with_its_own_error() {
    let bench = Bench::start().await;
    let source = "const kept = []; export default async (req) => {
        if (new URL(req.url).pathname === '/ok') return new Response('ok');
        for (;;) { kept.push(new Uint8Array(4 << 20).fill(1)); await new Promise((next) => setTimeout(next)); }
    }";
    let settings = |settings: &mut worker_pool::VersionSettings| settings.memory_limit_bytes = 128 << 20;
    let version = bench.load_with("hog", source, settings).await;
    let error = call(&version, get("/eat")).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("memory_limit", 502));
    assert_eq!(get_text(&version, "/ok").await, "ok");
}

#[tokio::test]
async fn a_thousand_calls_under_kills_are_each_answered_once() {
    let bench = Bench::start().await;
    let source =
        "export default async (req) => { await new Promise((done) => setTimeout(done, Math.random() * 4));
        return new Response(req.url.split('/').pop()) }";
    let version = bench.load_with("storm", source, |settings| settings.max_workers = 3).await;
    let killer = tokio::spawn({
        let version = Arc::clone(&version);
        async move {
            loop {
                if let Some(pid) = version.stats().pids.first() {
                    kill(*pid);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let mut outcomes: HashMap<&str, usize> = HashMap::new();
    for round in 0..10 {
        let numbers = (0..100).map(|number| round * 100 + number);
        let calls = numbers.map(|number| {
            let version = &version;
            async move {
                match call(version, get(&format!("/{number}"))).await {
                    Ok(response) => {
                        assert_eq!(text(response).await, number.to_string());
                        "ok"
                    }
                    Err(error) => error.code(),
                }
            }
        });
        for code in join_all(calls).await {
            *outcomes.entry(code).or_default() += 1;
        }
    }
    killer.abort();
    assert_eq!(outcomes.values().sum::<usize>(), 1000);
    assert!(outcomes.keys().all(|code| ["ok", "worker_crashed"].contains(code)), "{outcomes:?}");
    assert!(outcomes["ok"] > 100, "{outcomes:?}");
    until(|| version.stats().in_flight == 0).await;
    assert_eq!(get_text(&version, "/last").await, "last");
}

fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
