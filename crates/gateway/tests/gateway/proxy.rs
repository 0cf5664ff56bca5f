//! Requests that are passed on to services of other processes.

use crate::support::{ANYWHERE, Service, in_front_of, json, parts, start};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use futures_util::{StreamExt as _, stream};
use gateway::{GatewayParts, Upstreams};
use http::{HeaderMap, Response};
use service_kit::drain::Drain;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// A body that is what the sender sends.
fn fed() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let chunks = stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, Body::from_stream(chunks.map(Ok::<_, Infallible>)))
}

/// A service whose one stream of events is what the sender sends.
async fn event_service() -> (mpsc::Sender<Bytes>, Service) {
    let (sender, body) = fed();
    let body = Arc::new(Mutex::new(Some(body)));
    let events = move || {
        let body = body.lock().unwrap().take().unwrap();
        async move { ([("content-type", "text/event-stream")], body).into_response() }
    };
    (sender, Service::start(Router::new().route("/v1/events/a/subscribe", get(events))).await)
}

#[tokio::test]
async fn every_service_is_reached_through_a_plain_gateway() {
    let mut upstreams = Upstreams::default();
    let mut services = Vec::new();
    let paths = [
        ("platform", "/v1/projects?limit=2"),
        ("bun-auth", "/v1/auth/login"),
        ("tenant-auth", "/v1/auth/project/login"),
        ("functions", "/v1/functions/hello/a%2Fb"),
        ("bundoc-server", "/v1/projects/p/database/collections"),
        ("buncast", "/v1/events/a/subscribe"),
        ("bun-kms", "/v1/kms/keys"),
        ("bunder-manager", "/v1/kv/a"),
        ("storage", "/v1/storage/a%20b"),
    ];
    for (name, _) in paths {
        let answer =
            move |request: Request| async move { format!("{name} {} {}", request.method(), request.uri()) };
        let service = Service::start(Router::new().fallback(answer)).await;
        upstreams.add(name, &format!("http://{}", service.address)).unwrap();
        services.push(service);
    }
    let address = start(GatewayParts { upstreams, ..parts() }).await;
    let client = reqwest::Client::new();
    for (name, path) in paths {
        let answer = client.post(format!("http://{address}{path}")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), format!("{name} POST {path}"));
    }
    let aliased = client.get(format!("http://{address}/kv/a?x")).send().await.unwrap();
    assert_eq!(aliased.text().await.unwrap(), "bunder-manager GET /v1/kv/a?x");
}

#[tokio::test]
async fn answers_stream_as_they_come() {
    let (sender, service) = event_service().await;
    let gateway = in_front_of("buncast", service.address).await;
    sender.send(Bytes::from_static(b"event: connected\n\n")).await.unwrap();
    let mut answer = reqwest::get(format!("{gateway}/v1/events/a/subscribe")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    // Each event is here before the next is sent.
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "event: connected\n\n");
    sender.send(Bytes::from_static(b"event: message\n\n")).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "event: message\n\n");
    drop(answer);
    sender.closed().await;
}

#[tokio::test]
async fn a_drain_ends_streams_of_events() {
    let (sender, service) = event_service().await;
    let (mut upstreams, drain) = (Upstreams::default(), Drain::new());
    upstreams.add("buncast", &format!("http://{}", service.address)).unwrap();
    let address = start(GatewayParts { upstreams, drain: drain.clone(), ..parts() }).await;
    sender.send(Bytes::from_static(b": ping\n\n")).await.unwrap();
    let mut answer = reqwest::get(format!("http://{address}/v1/events/a/subscribe")).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), ": ping\n\n");
    drain.start();
    assert_eq!(answer.chunk().await.unwrap(), None);
    sender.closed().await;
}

#[tokio::test]
async fn bodies_stream_in_as_they_come() {
    let (arrived, mut arrivals) = mpsc::channel(4);
    let take = move |request: Request| async move {
        let mut chunks = request.into_body().into_data_stream();
        let mut bytes = 0;
        while let Some(chunk) = chunks.next().await {
            bytes += chunk.unwrap().len();
            arrived.send(bytes).await.unwrap();
        }
        bytes.to_string()
    };
    let service = Service::start(Router::new().route("/v1/storage/a", any(take))).await;
    let gateway = in_front_of("storage", service.address).await;
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = reqwest::Body::wrap_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
    let sent = reqwest::Client::new().put(format!("{gateway}/v1/storage/a")).body(body).send();
    let sent = tokio::spawn(sent);
    sender.send(Ok(Bytes::from_static(b"abc"))).await.unwrap();
    assert_eq!(arrivals.recv().await, Some(3));
    sender.send(Ok(Bytes::from_static(b"defg"))).await.unwrap();
    assert_eq!(arrivals.recv().await, Some(7));
    drop(sender);
    assert_eq!(sent.await.unwrap().unwrap().text().await.unwrap(), "7");
}

#[tokio::test]
async fn a_service_that_is_away_is_named_and_found_again() {
    let router = || Router::new().route("/v1/kms/keys", get(async || "keys"));
    let service = Service::start(router()).await;
    let address = service.address;
    let gateway = in_front_of("bun-kms", address).await;
    service.stop().await;
    let url = format!("{gateway}/v1/kms/keys");
    let answer = reqwest::Client::new().get(&url).header("x-request-id", "req-mine").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.headers()["x-request-id"], "req-mine");
    let body = json(answer).await;
    assert_eq!(body["error"]["code"], "unavailable");
    assert_eq!(body["error"]["details"]["service"], "bun-kms");
    assert_eq!(body["error"]["request_id"], "req-mine");
    let _again = Service::start_at(address, router()).await;
    assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), "keys");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut() {
    let broken = async || {
        let chunks = [Ok(Bytes::from_static(b"half")), Err(io::Error::other("gone"))];
        Response::new(Body::from_stream(stream::iter(chunks)))
    };
    let service = Service::start(Router::new().route("/v1/storage/a", get(broken))).await;
    let gateway = in_front_of("storage", service.address).await;
    // Whether the break is seen with the head or in the body, it is no whole answer.
    let answer = reqwest::get(format!("{gateway}/v1/storage/a")).await;
    let whole = match answer {
        Ok(answer) if answer.status() == 200 => answer.bytes().await.is_ok(),
        Ok(answer) => answer.status() != 503,
        Err(_) => false,
    };
    assert!(!whole);
}

#[tokio::test]
async fn headers_of_one_connection_stay_there() {
    let echo = async |headers: HeaderMap| {
        let names = headers.keys().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let request_id = headers["x-request-id"].to_str().unwrap().to_owned();
        let host = headers["host"].to_str().unwrap().to_owned();
        (
            [
                ("x-names", names),
                ("x-saw-id", request_id),
                ("x-saw-host", host),
                ("keep-alive", "timeout=9".to_owned()),
                ("x-kept", "1".to_owned()),
            ],
            "",
        )
    };
    let service = Service::start(Router::new().route("/v1/storage/a", post(echo))).await;
    let gateway = in_front_of("storage", service.address).await;
    let request = reqwest::Client::new()
        .post(format!("{gateway}/v1/storage/a"))
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("te", "trailers")
        .header("x-request-id", "req-7")
        .header("host", "api.example");
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let names = header("x-names").unwrap();
    let names: Vec<&str> = names.split(',').collect();
    for gone in ["x-private", "te"] {
        assert!(!names.contains(&gone), "{gone}");
    }
    for told in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
        assert!(names.contains(&told), "{told}");
    }
    assert_eq!(header("x-saw-id").as_deref(), Some("req-7"));
    assert_eq!(header("x-request-id").as_deref(), Some("req-7"));
    assert_eq!(header("x-saw-host").as_deref(), Some("api.example"));
    assert_eq!((header("keep-alive"), header("x-kept").as_deref()), (None, Some("1")));
}

#[tokio::test]
async fn two_gateways_that_point_at_each_other_notice() {
    let listener = tokio::net::TcpListener::bind(ANYWHERE).await.unwrap();
    let second_address = listener.local_addr().unwrap();
    drop(listener);
    let first = in_front_of("storage", second_address).await;
    let mut upstreams = Upstreams::default();
    upstreams.add("storage", &first).unwrap();
    let second = gateway::Listener::bind(second_address).await.unwrap();
    let second_gateway = gateway::Gateway::new(GatewayParts { upstreams, ..parts() });
    tokio::spawn(second.serve(Arc::new(second_gateway)));
    let answer = reqwest::get(format!("{first}/v1/storage/a")).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(json(answer).await["error"]["details"]["service"], "storage");
}
