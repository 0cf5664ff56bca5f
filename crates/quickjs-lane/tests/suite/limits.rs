//! Calls that loop, hoard, or never end: each gets its own error, in time, and nobody else notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use quickjs_lane::LaneSpec;
use worker_pool::InvokeError;

use crate::support::{Bench, call, code, get, get_text, until};

const BUDGET: Duration = Duration::from_millis(200);
/// How late the end of a loop may be seen.
const LATE_MAX: Duration = Duration::from_secs(5);

const SWITCHED: &str = r#"
const kept = [];
export default async (req) => {
    switch (new URL(req.url).pathname) {
        case '/loop': for (;;) {}
        case '/caught': for (;;) { try { for (;;) {} } catch {} finally { continue } }
        case '/microtasks': { const next = () => Promise.resolve().then(next); next(); return new Promise(() => {}); }
        case '/awaiting': for (;;) await null;
        case '/timers': { const again = () => setTimeout(again); again(); return new Promise(() => {}); }
        case '/getter': { const o = { get x() { return this.x } }; for (;;) try { o.x } catch {} }
        case '/sort': for (;;) Array.from({ length: 1000 }, () => Math.random()).sort((a, b) => a - b);
        case '/regex': return new Response(String(/^(a+)+$/.test('a'.repeat(64) + '!')));
        case '/generator': { function* g() { for (;;) yield 1 } for (const x of g()) {} }
        case '/proxy': { const p = new Proxy({}, { get: (t, k, r) => r[k] }); for (;;) try { p.x } catch {} }
        case '/never': return new Promise(() => {});
        case '/array': for (;;) kept.push(new Array(1000).fill(Math.random()));
        case '/string': { let s = 'x'; for (;;) (s += s).indexOf('y'); }
        case '/buffers': for (;;) kept.push(new Uint8Array(1 << 20));
        case '/objects': for (;;) kept.push({ a: 1, b: { c: [1, 2, 3] } });
        case '/hoarder': for (;;) try { for (;;) kept.push(new Array(1000).fill(0)) } catch {}
        case '/deferred': for (;;) { kept.push(new Array(10000).fill(0)); await null; }
        case '/rejections': for (;;) { kept.push((async () => { await null; throw new Error('x'.repeat(1000)) })().catch((e) => e)); await null; }
        case '/closures': for (;;) { const a = new Array(100).fill(kept.length); kept.push(() => a); }
        case '/json': return new Response(JSON.parse('[' + '{"a":[{}]},'.repeat(1 << 20) + '1]').length);
        default: return new Response('fine');
    }
};
"#;

fn short(spec: &mut LaneSpec) {
    spec.version.settings.execution_timeout = BUDGET;
}

fn small(spec: &mut LaneSpec) {
    spec.version.settings.memory_limit_bytes = 16 << 20;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_does_not_end_is_stopped_in_time_and_others_go_on() {
    let bench = Bench::start();
    let version = bench.load_with("loops", SWITCHED, short).await;
    let neighbour = bench.load("neighbour", SWITCHED).await;
    for path in [
        "/loop",
        "/caught",
        "/microtasks",
        "/awaiting",
        "/timers",
        "/getter",
        "/sort",
        "/regex",
        "/generator",
        "/proxy",
        "/never",
    ] {
        let began = Instant::now();
        let looping = call(&version, get(path));
        let beside = async {
            for _ in 0..20 {
                assert_eq!(get_text(&neighbour, "/").await, "fine");
            }
        };
        let (ended, ()) = tokio::join!(looping, beside);
        let took = began.elapsed();
        let error = ended.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), ("timeout", 504), "{path}");
        assert!(took >= BUDGET && took < BUDGET + LATE_MAX, "{path} was stopped after {took:?}");
        assert_eq!(get_text(&version, "/").await, "fine", "after {path}");
    }
}

#[tokio::test]
async fn one_project_never_has_all_threads() {
    let bench = Bench::start_with(|config| config.threads = 2);
    let version = bench.load("greedy", SWITCHED).await;
    let other = bench.load_with("other", SWITCHED, |spec| spec.version.project = "project-2".into()).await;
    let loops = async { join_all((0..4).map(|_| call(&version, get("/loop")))).await };
    let beside = async {
        until(|| version.stats().in_flight == 4).await;
        for _ in 0..20 {
            assert_eq!(get_text(&other, "/").await, "fine");
        }
    };
    tokio::select! {
        _ = loops => panic!("the loops have no end"),
        () = beside => {}
    }
}

#[tokio::test]
async fn memory_over_the_limit_has_its_own_error_and_its_instance_is_thrown_away() {
    let bench = Bench::start();
    let version = bench.load_with("hogs", SWITCHED, small).await;
    for path in [
        "/array",
        "/string",
        "/buffers",
        "/objects",
        "/hoarder",
        "/deferred",
        "/rejections",
        "/closures",
        "/json",
    ] {
        let error = call(&version, get(path)).await.unwrap_err();
        assert!(
            matches!(error, InvokeError::MemoryLimit { limit_bytes } if limit_bytes == 16 << 20),
            "{path}: {error:?}"
        );
        assert_eq!((error.code(), error.status().as_u16()), ("memory_limit", 502), "{path}");
        assert_eq!(get_text(&version, "/").await, "fine", "after {path}");
    }
    bench.host.line(|line| line.message.contains("went over its memory limit of 16777216 bytes")).await;
    drop(version);
    until(|| bench.lane.stats().memory_bytes < 1 << 20).await;
}

#[tokio::test]
async fn recursion_without_end_is_an_error_of_the_handler_however_its_frames_look() {
    let bench = Bench::start();
    let plain = "function f(n) { return f(n + 1) + 1 } export default () => new Response(String(f(0)))";
    let version = bench.load("plain", plain).await;
    assert_eq!(code(&version, "/").await, "handler_error");
    // Each of these rejections is looked at on the way down: that must not move the end of the stack.
    let rejecting = "function f(n) { Promise.reject(n).catch(() => {}); return f(n + 1) + 1 } export default () => new Response(String(f(0)))";
    let version = bench.load("rejecting", rejecting).await;
    assert_eq!(code(&version, "/").await, "handler_error");
    // Settling a promise at the end of the stack must not end the engine: frames of many sizes come to many ends.
    for locals in 0..48 {
        let names: Vec<String> = (0..locals).map(|number| format!("v{number}")).collect();
        let declared: String = names.iter().map(|name| format!("let {name} = n;")).collect();
        let sum = names.join("+");
        let source = format!(
            "async function f(n) {{ {declared} return (await f(n + 1)) + ({sum} + 1) }}
             const g = (n) => Promise.resolve(n).then.call(f(n), (x) => x);
             export default async (req) => {{
                 if (new URL(req.url).pathname === '/deep') {{
                     const dive = (n) => n === 0 ? f(0) : [dive(n - 1)][0];
                     await dive(req.url.length);
                 }}
                 await g(0);
                 return new Response('unreachable');
             }}"
        );
        let version = bench.load_with("frames", &source, short).await;
        for path in ["/", "/deep"] {
            let ended = code(&version, path).await;
            assert!(["handler_error", "timeout"].contains(&ended), "{locals} locals: {ended}");
        }
    }
}

#[tokio::test]
async fn processor_time_is_bounded_apart_from_waiting() {
    let bench = Bench::start();
    let version =
        bench.load_with("cpu", SWITCHED, |spec| spec.capabilities.max_cpu = Duration::from_millis(100)).await;
    let began = Instant::now();
    let error = call(&version, get("/loop")).await.unwrap_err();
    assert!(matches!(error, InvokeError::Timeout(time) if time == Duration::from_millis(100)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let waits = "export default async () => { for (let i = 0; i < 4; i++) await new Promise((next) => setTimeout(next, 50)); return new Response('fine') }";
    let waiting =
        bench.load_with("waits", waits, |spec| spec.capabilities.max_cpu = Duration::from_millis(100)).await;
    assert_eq!(get_text(&waiting, "/").await, "fine");
    bench.host.line(|line| line.message.contains("used its 100ms of processor time")).await;
}

#[tokio::test]
async fn operations_are_bounded_whatever_code_does_to_the_classes() {
    let bench = Bench::start();
    let source = "Object.defineProperty(Set.prototype, 'size', { get: () => 0 });
        export default () => {
            let count = 0;
            try { for (;;) { setTimeout(() => {}, 60000); count += 1 } } catch (error) { return new Response(`${error.name} ${count}`) }
        }";
    let version = bench.load("tampered", source).await;
    assert_eq!(get_text(&version, "/").await, "RangeError 2000");
}

#[tokio::test]
async fn an_earlier_deadline_of_the_call_counts() {
    let bench = Bench::start();
    let version = bench.load("deadline", SWITCHED).await;
    for path in ["/never", "/loop"] {
        let mut request = get(path);
        request.deadline = Some(Instant::now() + Duration::from_millis(50));
        let error = call(&version, request).await.unwrap_err();
        assert!(
            matches!(error, InvokeError::Timeout(time) if time <= Duration::from_millis(50)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_its_call() {
    let bench = Bench::start_with(|config| config.threads = 1);
    let version = bench.load("gone", SWITCHED).await;
    for path in ["/loop", "/never"] {
        let invoking = tokio::spawn({
            let version = Arc::clone(&version);
            async move { version.invoke(get(path)).await.map(drop) }
        });
        until(|| version.stats().in_flight == 1).await;
        invoking.abort();
        until(|| version.stats().in_flight == 0).await;
        assert_eq!(get_text(&version, "/").await, "fine");
    }
}

#[tokio::test]
async fn calls_over_the_places_wait_and_calls_over_the_queue_are_overloaded() {
    let bench = Bench::start();
    let version = bench
        .load_with("crowd", SWITCHED, |spec| {
            spec.version.settings.max_concurrency = 1;
            spec.version.settings.queue_max = 1;
            spec.version.settings.queue_timeout = Duration::from_millis(100);
        })
        .await;
    let held = call(&version, get("/never"));
    let others = async {
        until(|| version.stats().in_flight == 1).await;
        let waiting = call(&version, get("/"));
        let refused = async {
            until(|| version.stats().queued == 1).await;
            call(&version, get("/")).await.unwrap_err()
        };
        let (waited, refused) = tokio::join!(waiting, refused);
        assert!(matches!(refused, InvokeError::Overloaded { .. }), "{refused:?}");
        assert!(matches!(waited, Err(InvokeError::QueueTimeout { .. })));
        assert_eq!(refused.code(), "overloaded");
        assert_eq!(version.stats().queued, 0);
    };
    tokio::select! {
        _ = held => panic!("it never answers"),
        () = others => {}
    }
    assert_eq!(get_text(&version, "/").await, "fine");
}

#[tokio::test]
async fn a_full_lane_drops_idle_instances_first_and_then_refuses() {
    // An instance without much code of its own holds a third of that.
    let bench = Bench::start_with(|config| config.memory_bytes_max = 1 << 20);
    let source = "export default (req) => {
        if (new URL(req.url).pathname !== '/never') return new Response('fine');
        console.log('entered');
        return new Promise(() => {});
    }";
    let mut versions = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let version = bench.load(name, source).await;
        assert_eq!(get_text(&version, "/").await, "fine");
        versions.push(version);
    }
    assert!(bench.lane.stats().idle_instances < 5, "{:?}", bench.lane.stats());
    let mut held = tokio::task::JoinSet::new();
    for version in &versions[..4] {
        let called = Arc::clone(version);
        held.spawn(async move { call(&called, get("/never")).await.map(drop) });
        let key = Arc::clone(&version.spec().key);
        bench.host.line(|line| line.version == key && line.message == "entered").await;
    }
    let late = bench.lane.register(bench.spec("late", source));
    let refused = call(&late, get("/")).await.unwrap_err();
    assert_eq!((refused.code(), refused.status().as_u16()), ("overloaded", 503));
    held.shutdown().await;
    until(|| bench.lane.stats().memory_bytes < 1 << 20).await;
    assert_eq!(get_text(&late, "/").await, "fine");
}

#[tokio::test]
async fn a_version_that_retires_ends_its_calls_in_time_and_takes_no_more() {
    let bench = Bench::start_with(|config| config.drain_timeout = Duration::from_millis(200));
    let source = "export default async (req) => {
        const path = new URL(req.url).pathname;
        await new Promise((next) => path === '/never' || setTimeout(next, 20));
        return new Response('done');
    }";
    let version = bench.load("retiring", source).await;
    let quick = call(&version, get("/quick"));
    let stuck = call(&version, get("/never"));
    let retiring = async {
        until(|| version.stats().in_flight == 2).await;
        version.retire().await;
    };
    let (quick, stuck, ()) = tokio::join!(quick, stuck, retiring);
    assert_eq!(quick.unwrap().status, 200);
    assert!(matches!(stuck, Err(InvokeError::Retired)));
    assert!(matches!(call(&version, get("/late")).await, Err(InvokeError::Retired)));
    assert_eq!(version.stats().idle_instances, 0);
}

#[tokio::test]
async fn a_module_that_never_ends_its_import_is_refused() {
    let bench = Bench::start_with(|config| config.startup_timeout = Duration::from_millis(200));
    for source in ["for (;;) {}", "await new Promise(() => {})"] {
        let error = bench.load_error("endless", source).await;
        assert_eq!(error.code(), "bundle_import_timeout", "{source}");
    }
    let hog = "const kept = []; for (;;) kept.push(new Uint8Array(1 << 20))";
    let mut spec = bench.spec("hog", hog);
    small(&mut spec);
    assert_eq!(bench.lane.load(spec).await.unwrap_err().code(), "bundle_import_crashed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_among_failures_are_each_answered_once() {
    let bench = Bench::start();
    let source = "let seen = 0; export default async (req) => {
        const path = new URL(req.url).pathname; seen += 1;
        if (path.endsWith('7')) throw new Error('seven');
        if (path.endsWith('3')) await new Promise((next) => setTimeout(next, 1));
        if (path.endsWith('99')) for (;;) {}
        return new Response(path);
    }";
    let version = bench.load_with("storm", source, short).await;
    let calls = (0..1000).map(|number| {
        let version = &version;
        async move {
            let path = format!("/{number}");
            match call(version, get(&path)).await {
                Ok(response) => assert_eq!(crate::support::text(response).await, path),
                Err(InvokeError::HandlerError { .. }) => assert!(path.ends_with('7')),
                // The loops take threads from those that wait for them.
                Err(InvokeError::Timeout(_)) => {}
                Err(other) => panic!("{path}: {other:?}"),
            }
        }
    });
    join_all(calls).await;
    assert_eq!(version.stats().in_flight, 0);
}
