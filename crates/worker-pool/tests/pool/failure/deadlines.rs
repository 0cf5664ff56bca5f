//! Deadlines of calls, and workers that end in the middle of many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use worker_pool::InvokeError;

use crate::support::{Bench, call, get, get_text, kill, text, until};

const SWITCHED: &str = "export default async (req) => {
    const path = new URL(req.url).pathname;
    if (path === '/loop') for (;;) {}
    if (path === '/never') await new Promise(() => {});
    return new Response(path);
}";

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
