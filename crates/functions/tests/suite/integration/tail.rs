//! Streams of a function's log.

use crate::support::{Server, config};
use axum::body::Body;
use functions::FunctionsConfig;
use http::Method;
use http_body_util::BodyExt;
use run_log::{Level, LogLine};
use serde_json::{Value, json};
use service_kit::clock::now_ms;
use service_kit::drain::Drain;
use service_kit::ids::FunctionId;
use std::collections::BTreeSet;
use std::time::Duration;

const SOURCE: &str = "export default () => { console.log('called'); return new Response(); }";

/// Nothing that is tested takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads events of a stream.
struct Stream {
    body: Body,
    text: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Stream {
    async fn open(server: &Server, path: &str, last: Option<&str>) -> Self {
        let response = server.stream(path, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { body: response.into_body(), text: String::new() };
        assert_eq!(stream.next().await.unwrap().name, "connected");
        stream
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("no event came")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    found.map(str::to_owned)
                };
                let parsed = field("data").map(|data| Event {
                    name: field("event").unwrap(),
                    id: field("id"),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.text = rest.to_owned();
                match parsed {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let frame = self.body.frame().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn message(&mut self) -> String {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, "line", "{event:?}");
        event.data["message"].as_str().unwrap().to_owned()
    }

    async fn closed_because(&mut self) -> String {
        let close = self.next().await.unwrap();
        assert_eq!(close.name, "close", "{close:?}");
        assert!(self.next().await.is_none());
        close.data["reason"].as_str().unwrap().to_owned()
    }
}

async fn deployed(server: &Server, name: &str) -> FunctionId {
    let answer = server.deploy(name, SOURCE).await.is(201).json();
    FunctionId::parse(answer["id"].as_str().unwrap()).unwrap()
}

fn write(server: &Server, function: &FunctionId, level: Level, message: &str) {
    server.logs.write(LogLine {
        project: server.a.clone(),
        function: function.clone(),
        version: "v1".into(),
        invocation_id: None,
        level,
        message: message.to_owned(),
        fields: None,
        at_ms: now_ms(),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_as_they_are_written_and_each_once_to_a_reader_that_comes_back() {
    let server = Server::start().await;
    let function = deployed(&server, "f").await;
    let other = FunctionId::generate();
    write(&server, &function, Level::Info, "before");
    let mut stream = Stream::open(&server, "/f/logs/subscribe", None).await;
    let writer = {
        let (logs, project, function) = (server.logs.clone(), server.a.clone(), function.clone());
        tokio::spawn(async move {
            for number in 0..200 {
                let line = LogLine {
                    project: project.clone(),
                    function: if number % 2 == 0 { function.clone() } else { other.clone() },
                    version: "v1".into(),
                    invocation_id: None,
                    level: Level::Info,
                    fields: None,
                    message: number.to_string(),
                    at_ms: now_ms(),
                };
                logs.write(line);
                tokio::task::yield_now().await;
            }
        })
    };
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let event = stream.next().await.unwrap();
        assert_eq!(event.name, "line");
        seen.push(event.data["message"].as_str().unwrap().parse::<usize>().unwrap());
        if seen.len().is_multiple_of(13) {
            stream = Stream::open(&server, "/f/logs/subscribe", event.id.as_deref()).await;
        }
    }
    writer.await.unwrap();
    assert_eq!(seen, (0..200).step_by(2).collect::<Vec<_>>());
    server.get("/v1/functions/f").await.is(200);
    assert_eq!(stream.message().await, "called");

    let mut errors = Stream::open(&server, "/f/logs/subscribe?level=error", None).await;
    write(&server, &function, Level::Info, "fine");
    write(&server, &function, Level::Error, "broken");
    assert_eq!(errors.message().await, "broken");

    let mut all = Stream::open(&server, "/f/logs/subscribe?last_event_id=0", None).await;
    assert_eq!(all.message().await, "before");
    for unknown in ["x", "-1", "99999999"] {
        let mut stream = Stream::open(&server, "/f/logs/subscribe", Some(unknown)).await;
        assert_eq!(stream.next().await.unwrap().name, "resync", "{unknown}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_function_and_with_the_server() {
    let server = Server::start().await;
    for name in ["f", "g"] {
        deployed(&server, name).await;
    }
    let mut of_f = Stream::open(&server, "/f/logs/subscribe", None).await;
    let mut of_g = Stream::open(&server, "/g/logs/subscribe", None).await;
    server.manage(Method::DELETE, "/f", None).await.is(204);
    assert_eq!(of_f.closed_because().await, "function_deleted");
    let drain = Drain::new();
    server.service.end_streams_on(drain.clone());
    drain.start();
    assert_eq!(of_g.closed_because().await, "shutting_down");
    server.manage(Method::GET, "/g/logs/subscribe", None).await.is_error(503, "shutting_down");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_a_limit_and_are_for_the_project_only() {
    let limits = FunctionsConfig { log_streams_per_project_max: 1, ..config() };
    let server = Server::start_with(limits).await;
    deployed(&server, "f").await;
    let path = "/f/logs/subscribe";
    let foreign = server.manage_as("sk_b", &server.a, (Method::GET, path, None)).await;
    foreign.is_error(404, "project_not_found");
    let unknown = server.manage_as("sk_b", &server.b, (Method::GET, path, None)).await;
    unknown.is_error(404, "function_not_found");
    server.manage_as("", &server.a, (Method::GET, path, None)).await.is_error(401, "unauthenticated");
    let bad = server.manage(Method::GET, "/f/logs/subscribe?level=loud", None).await;
    bad.is_error(400, "invalid_request");
    let stream = Stream::open(&server, path, None).await;
    server.manage(Method::GET, path, None).await.is_error(429, "rate_limited");
    drop(stream);
    Stream::open(&server, path, None).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_are_announced_in_the_project_and_in_the_server() {
    use ports::events::Realm;
    let server = Server::start().await;
    let (bus, mut published) = crate::support::bus();
    server.service.bind_events(bus);
    let function = server.deploy_with("f", SOURCE, json!({ "version": "v1" })).await.is(201).json();
    server.deploy_with("f", &format!("{SOURCE}\n;"), json!({ "version": "v2" })).await.is(201);
    server.deploy_with("f", SOURCE, json!({ "version": "v1" })).await.is(200);
    server.deploy("broken", "export default 1 +").await.is_error(400, "invalid_bundle");
    server.manage(Method::DELETE, "/f", None).await.is(204);
    let (one, two) = (json!("v1"), json!("v2"));
    // Its workers tell of themselves in between.
    let mut states = BTreeSet::new();
    for (version, what) in [
        (&Value::Null, "registered"),
        (&one, "built"),
        (&one, "deployed"),
        (&two, "built"),
        (&two, "deployed"),
        (&one, "activated"),
        (&one, "deleted"),
    ] {
        for realm in [Realm::Project(server.a.clone()), Realm::System] {
            let (in_realm, payload) = loop {
                let (realm, topic, payload) = published.recv().await.unwrap();
                assert_eq!(topic, "functions.deployments");
                if payload["type"] != "worker" {
                    break (realm, payload);
                }
                assert_eq!(payload["function_id"], function["id"]);
                states.extend(payload["state"].as_str().map(str::to_owned));
            };
            assert_eq!(in_realm, realm);
            let wanted = json!({
                "project_id": server.a.as_str(), "function_id": function["id"], "name": "f",
                "version": version, "type": what,
            });
            assert_eq!(payload, wanted);
        }
    }
    assert!(states.contains("WARM"), "{states:?}");
    server.stop().await;
}
