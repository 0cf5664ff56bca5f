//! Calls after their end: as runs, in traces, in figures; and their lines, searched and without secrets.

use crate::support::{Call, Server};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOURCE: &str = r#"
    export default async (req: Request) => {
        switch (new URL(req.url).pathname) {
            case "/throw": throw new TypeError("no such order");
            case "/503": return new Response("later", { status: 503 });
            case "/404": return new Response("none", { status: 404 });
            case "/wait": console.log("began"); await new Promise(() => {});
        }
        console.log("paid", { order: { id: 7 }, ok: true });
        console.info("done");
        return new Response(req.headers.get("traceparent"));
    }"#;

const CALLER: &str = r#"
    import { bunbase } from "bunbase-js/function";
    export default async (req: Request) => {
        const found = await bunbase.db.collection("c").get("1");
        return Response.json({ found, inner: await bunbase.functions.invoke("inner", {}), trace: req.headers.get("traceparent") });
    }"#;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn answer(server: &Server, path: &str) -> Value {
    server.manage(Method::GET, path, None).await.is(200).json()
}

async fn runs(server: &Server, query: &str) -> Vec<Value> {
    answer(server, &format!("/f/runs{query}")).await["runs"].as_array().unwrap().clone()
}

fn of<'a>(entries: &'a Value, field: &str) -> Vec<&'a Value> {
    entries.as_array().unwrap().iter().map(|entry| &entry[field]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_a_run_with_its_end() {
    let server = Server::start().await;
    server.deploy_with("f", SOURCE, json!({ "version": "v1" })).await.is(201);
    for (path, status) in [("", 200), ("/404", 404), ("/503", 503), ("/throw", 500)] {
        server.get(&format!("/v1/functions/f{path}")).await.is(status);
    }
    let found = answer(&server, "/f/runs").await;
    assert_eq!(of(&found["runs"], "http_status"), [500, 503, 404, 200]);
    assert_eq!(of(&found["runs"], "status"), ["error", "error", "ok", "ok"]);
    let codes: Vec<_> = found["runs"].as_array().unwrap().iter().map(|run| &run["error"]["code"]).collect();
    assert_eq!(codes, [&json!("handler_error"), &json!("http_503"), &Value::Null, &Value::Null]);
    let thrown = &found["runs"][0];
    assert!(thrown["error"]["message"].as_str().unwrap().contains("no such order"), "{thrown}");
    assert_eq!(
        (&thrown["version"], &thrown["trigger"], &thrown["function"]),
        (&"v1".into(), &"http".into(), &"f".into())
    );
    assert_eq!(runs(&server, "?status=error&error_code=http_503").await.len(), 1);
    assert_eq!(runs(&server, "?trigger=cron").await.len(), 0);
    let first = answer(&server, "/f/runs?limit=3").await;
    let rest = runs(&server, &format!("?limit=3&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((first["runs"].as_array().unwrap().len(), rest.len()), (3, 1));
    for bad in ["status=fine", "trigger=x", "limit=0", "since=x", "cursor=x", "surprise=1"] {
        server.manage(Method::GET, &format!("/f/runs?{bad}"), None).await.is_error(400, "invalid_request");
    }
    server.manage(Method::GET, "/g/runs", None).await.is_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_a_cancelled_run() {
    let server = Server::start().await;
    server.deploy("f", SOURCE).await.is(201);
    let front = server.front.clone();
    let call = tokio::spawn(async move {
        front.call(Call::get("/v1/functions/f/wait").key("pk_a").build()).await.status()
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while answer(&server, "/f/logs?text=began").await["logs"].as_array().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the call never began");
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(runs(&server, "?status=cancelled").await.len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_shows_its_lines_and_where_its_time_went() {
    let server = Server::start().await;
    server.deploy("f", SOURCE).await.is(201);
    let server = server.restart().await;
    let called = server.get("/v1/functions/f").await;
    let id = called.headers["x-invocation-id"].to_str().unwrap();
    let run = answer(&server, &format!("/f/runs/{id}")).await;
    assert_eq!((&run["id"], run["sampled"].as_bool()), (&id.into(), Some(true)), "{run}");
    assert!(run["cold_start_us"].as_u64().unwrap() > 0, "{run}");
    let kinds = of(&run["spans"], "kind");
    assert!(kinds.contains(&&json!("cold_start")) && kinds.contains(&&json!("handler")), "{run}");
    let handler = run["spans"].as_array().unwrap().iter().find(|span| span["kind"] == "handler").unwrap();
    assert!(handler["start_us"].as_u64() >= run["cold_start_us"].as_u64(), "{run}");
    assert!(handler["duration_us"].as_u64() < run["duration_us"].as_u64(), "{run}");
    assert_eq!(of(&run["logs"], "message")[0], "paid { order: { id: 7 }, ok: true }");
    assert_eq!(run["logs"][0]["fields"], json!({ "order": { "id": 7 }, "ok": true }));
    let again = server.get("/v1/functions/f").await;
    let id = again.headers["x-invocation-id"].to_str().unwrap();
    let run = answer(&server, &format!("/f/runs/{id}")).await;
    assert_eq!((&run["cold_start_us"], &run["queue_wait_us"]), (&Value::Null, &0.into()));
    server.deploy("g", SOURCE).await.is(201);
    server.manage(Method::GET, &format!("/g/runs/{id}"), None).await.is_error(404, "not_found");
    let foreign = server.manage_as("sk_b", &server.b, (Method::GET, &format!("/f/runs/{id}"), None)).await;
    foreign.is_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_functions_and_their_calls() {
    let server = Server::start().await;
    server.deploy("inner", SOURCE).await.is(201);
    server.deploy("f", CALLER).await.is(201);
    let seen = server.call(Call::get("/v1/functions/f").key("pk_a").header("traceparent", PARENT)).await;
    let own = seen.is(200).json()["trace"].as_str().unwrap().to_owned();
    assert!(own.starts_with(&format!("00-{TRACE}-")) && own != PARENT, "{own}");
    let trace = answer(&server, &format!("/f/traces/{TRACE}")).await;
    assert_eq!(of(&trace["runs"], "function"), ["f", "inner"]);
    let (outer, inner) = (&trace["runs"][0], &trace["runs"][1]);
    assert_eq!((&outer["parent_span_id"], &outer["parent_id"]), (&"00f067aa0ba902b7".into(), &Value::Null));
    assert_eq!((&inner["parent_id"], &inner["trigger"]), (&outer["id"], &"function".into()));
    let spans = outer["spans"].as_array().unwrap();
    let ports: Vec<_> = spans.iter().filter(|span| span["kind"] == "port").collect();
    assert_eq!(ports.len(), 2, "{outer}");
    let handler = spans.iter().find(|span| span["kind"] == "handler").unwrap();
    assert!(ports.iter().all(|span| span["parent_id"] == handler["id"]), "{outer}");
    assert!(ports[0]["name"].as_str().unwrap().contains("/documents"), "{outer}");
    assert_eq!(inner["parent_span_id"], ports[1]["id"]);
    assert_eq!(answer(&server, "/f/traces").await["runs"][0]["id"], outer["id"]);
    let unknown = format!("/f/traces/{}", TRACE.replace('4', "5"));
    server.manage(Method::GET, &unknown, None).await.is_error(404, "not_found");
    server.manage(Method::GET, "/f/traces/x", None).await.is_error(400, "invalid_request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_traceparents_are_none_and_a_decision_not_to_sample_holds() {
    let server = Server::start().await;
    server.deploy("f", SOURCE).await.is(201);
    let twice = Call::get("/v1/functions/f").key("pk_a").header("traceparent", PARENT);
    let twice = twice.header("traceparent", PARENT).header("tracestate", "a=1");
    let seen = server.call(twice).await;
    assert!(!seen.is(200).text().contains(TRACE), "{seen:?}");
    let unsampled = PARENT.replace("-01", "-00");
    let seen = server.call(Call::get("/v1/functions/f").key("pk_a").header("traceparent", &unsampled)).await;
    assert!(seen.text().starts_with(&unsampled[..36]) && seen.text().ends_with("-00"), "{seen:?}");
    let run = &runs(&server, "").await[0];
    assert_eq!((&run["trace_id"], &run["sampled"]), (&TRACE.into(), &false.into()));
    let detail = answer(&server, &format!("/f/runs/{}", run["id"].as_str().unwrap())).await;
    assert_eq!(detail["spans"], json!([]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_count_calls_errors_and_versions() {
    let server = Server::start().await;
    server.deploy_with("f", SOURCE, json!({ "version": "v1" })).await.is(201);
    for path in ["", "/503", "/throw"] {
        server.get(&format!("/v1/functions/f{path}")).await;
    }
    for (query, points) in [("", 96), ("?window=1h", 60), ("?window=7d", 168)] {
        let chart = answer(&server, &format!("/f/metrics{query}")).await;
        assert_eq!(chart["points"].as_array().unwrap().len(), points);
        assert_eq!(chart["total"]["errors_by_code"], json!({ "http_503": 1, "handler_error": 1 }));
        assert_eq!((&chart["total"]["calls"], &chart["versions"][0]["version"]), (&3.into(), &"v1".into()));
    }
    server.manage(Method::GET, "/f/metrics?window=1y", None).await.is_error(400, "invalid_request");
    server.stop().await;
}

/// Reads the figures of `f` until what goes on now is as wanted.
async fn now(server: &Server, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = answer(server, &format!("/{name}/metrics")).await["now"][0].clone();
        if wanted(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_now_is_seen_of_workers_and_instances() {
    let server = Server::start().await;
    let source = r#"export default async (req: Request) => {
        const { pathname } = new URL(req.url);
        if (pathname === "/wait") {
            await new Promise((done) => { setTimeout(done, 600_000); req.signal.addEventListener("abort", done); });
        }
        if (pathname === "/burn") { const until = Date.now() + 500; while (Date.now() < until); }
        return new Response("done");
    }"#;
    for (name, runtime) in [("f", "bun"), ("q", "quickjs")] {
        let of_version = json!({ "version": "v1", "runtime": runtime });
        server.deploy_with(name, source, of_version).await.is(201);
        let front = server.front.clone();
        let call = tokio::spawn(async move {
            front.call(Call::get(&format!("/v1/functions/{name}/wait")).key("pk_a").build()).await.status()
        });
        let busy = now(&server, name, |now| now["in_flight"] == 1).await;
        assert_eq!((&busy["version"], &busy["queued"]), (&"v1".into(), &0.into()), "{busy}");
        assert!(busy["workers"].as_u64() >= Some(1), "{busy}");
        call.abort();
        now(&server, name, |now| now["in_flight"] == 0).await;
        server.get(&format!("/v1/functions/{name}/burn")).await.is(200);
        // It has a part of a core only, where others want it too.
        let burnt = now(&server, name, |now| {
            now["cpu_us"].as_u64() > Some(100_000) && now["memory_bytes"].as_u64() > Some(64 << 10)
        });
        let burnt = burnt.await["cpu_us"].as_u64().unwrap();
        let later = answer(&server, &format!("/{name}/metrics")).await["now"][0]["cpu_us"].as_u64().unwrap();
        assert!(burnt <= later && later < 60_000_000, "{burnt} {later}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_every_version_of_the_project_and_no_other() {
    let server = Server::start().await;
    for version in ["v1", "v2"] {
        let source = format!("{SOURCE}\n// {version}");
        server.deploy_with("f", &source, json!({ "version": version })).await;
        server.get("/v1/functions/f").await.is(200);
    }
    server.get("/v1/functions/f/throw").await.is(500);
    let scraped = server.of_project(Method::GET, "/metrics", None).await;
    assert_eq!(scraped.is(200).headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for sample in [
        r#"calls_total{function="f",version="v1"} 1"#,
        r#"calls_total{function="f",version="v2"} 2"#,
        r#"errors_total{function="f",version="v2",code="handler_error"} 1"#,
        r#"duration_seconds_bucket{function="f",version="v2",le="+Inf"} 2"#,
        r#"queue_wait_seconds_count{function="f",version="v2"} 2"#,
        r#"calls_in_flight{function="f",version="v2"} 0"#,
    ] {
        let line = format!("bunbase_function_version_{sample}");
        assert!(scraped.text().lines().any(|found| found == line), "{line} in {}", scraped.text());
    }
    let cumulative: Vec<u64> = scraped
        .text()
        .lines()
        .filter(|line| {
            line.starts_with(r#"bunbase_function_version_duration_seconds_bucket{function="f",version="v2""#)
        })
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(cumulative.len() == 20 && cumulative.is_sorted(), "{cumulative:?}");
    let workers = r#"bunbase_function_version_workers{function="f",version="v1"}"#;
    assert!(!scraped.text().contains(workers), "v1 takes no calls");
    let path = format!("/v1/projects/{}/metrics", server.b);
    let other = server.send("sk_b", (Method::GET, &path), None).await;
    assert!(!other.is(200).text().contains("version="), "{other:?}");
    server.send("sk_a", (Method::GET, &path), None).await.is_error(404, "project_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_believed_of_developers_only() {
    let server = Server::start().await;
    let source =
        r#"export default (req: Request) => new Response(req.headers.get("x-bunbase-trigger") ?? "none");"#;
    server.deploy("f", source).await.is(201);
    let path = format!("/v1/projects/{}/functions/f/invoke", server.a);
    let call = || Call::get(&path).header("x-bunbase-trigger", "cli");
    assert_eq!(server.call(call().session("dev_a")).await.is(200).text(), "none");
    server.call(call().key("sk_a")).await.is(200);
    server.call(Call::get(&path).header("x-bunbase-trigger", "cron").session("dev_a")).await.is(200);
    let found = answer(&server, "/f/runs").await;
    assert_eq!(of(&found["runs"], "trigger"), ["http", "http", "cli"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_found_by_text_field_and_version() {
    let server = Server::start().await;
    for version in ["v1", "v2"] {
        let source = format!("{SOURCE}\n// {version}");
        server.deploy_with("f", &source, json!({ "version": version })).await;
        server.get("/v1/functions/f").await.is(200);
    }
    let found = async |query: &str| answer(&server, &format!("/f/logs?{query}")).await;
    for (query, lines) in [
        ("text=PAID", 2),
        ("version=v2", 2),
        ("fields.order.id=7", 2),
        ("fields.order.id=8", 0),
        ("fields.ok=true&version=v1", 1),
    ] {
        assert_eq!(found(query).await["logs"].as_array().unwrap().len(), lines, "{query}");
    }
    let newest = found("order=newest&limit=1").await;
    assert_eq!((&newest["logs"][0]["version"], &newest["more"]), (&"v2".into(), &true.into()));
    let earlier = found(&format!("before={}&limit=1", newest["next"])).await;
    assert_eq!(earlier["logs"][0]["message"], "paid { order: { id: 7 }, ok: true }");
    assert_eq!(found("order=oldest&limit=1").await["logs"][0]["version"], "v1");
    for bad in ["order=random", "before=x", "text=a&text=b", "fields.=1"] {
        server.manage(Method::GET, &format!("/f/logs?{bad}"), None).await.is_error(400, "invalid_request");
    }
    server.manage(Method::GET, "/f/logs/subscribe?fields.=1", None).await.is_error(400, "invalid_request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_values_are_in_no_line_and_no_run() {
    let server = Server::start().await;
    let source = r#"export default (req: Request) => {
        console.log("key " + process.env.KEY, { key: process.env.KEY, db_password: "x" });
        if (new URL(req.url).pathname === "/throw") throw new Error("refused for " + process.env.KEY);
        return new Response(process.env.KEY);
    }"#;
    let set = async |key: &str| {
        server.of_project(Method::PUT, "/env/KEY", Some(json!({ "value": key }))).await.is(200);
    };
    set("first-secret").await;
    server.deploy("f", source).await.is(201);
    assert_eq!(server.get("/v1/functions/f").await.text(), "first-secret");
    set("second-secret").await;
    server.get("/v1/functions/f/throw").await.is(500);
    let server = server.restart().await;
    assert_eq!(server.get("/v1/functions/f").await.text(), "second-secret");
    let (logs, runs) = (answer(&server, "/f/logs").await, answer(&server, "/f/runs?status=error").await);
    for text in [logs.to_string(), runs.to_string()] {
        assert!(!text.contains("-secret"), "{text}");
        assert!(text.contains("[redacted]"), "{text}");
    }
    assert_eq!(logs["logs"][0]["message"], "key [redacted] { key: '[redacted]', db_password: 'x' }");
    assert_eq!(logs["logs"][0]["fields"], json!({ "key": "[redacted]", "db_password": "[redacted]" }));
    server.stop().await;
}
