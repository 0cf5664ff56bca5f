//! Calls: who may, what the handler sees, what the caller gets.

use crate::support::{Answer, Call, Server, config};
use bytes::Bytes;
use functions::FunctionsConfig;
use http::{Method, Request};
use http_body_util::StreamBody;
use serde_json::json;
use std::convert::Infallible;
use std::time::{Duration, Instant};

const ECHO: &str = r#"
    export default async (req: Request) => Response.json({
        method: req.method, url: req.url, headers: [...req.headers.keys()].sort(),
        cookie: req.headers.get("cookie"), invocation: req.headers.get("x-invocation-id"),
        bytes: (await req.arrayBuffer()).byteLength,
    });"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_access_setting_decides_who_may_call() {
    let server = Server::start().await;
    let source = "export default () => new Response('x')";
    for access in ["secret", "key", "public"] {
        server.deploy_with(access, source, json!({ "settings": { "access": access } })).await.is(201);
    }
    let by_key = |name: &str, key: &str| Call::get(&format!("/v1/functions/{name}")).key(key);
    let by_project = |name: &str| Call::get(&format!("/v1/projects/{}/functions/{name}/invoke", server.a));
    for (name, with_public_key, with_nothing) in
        [("secret", 403, 401), ("key", 200, 401), ("public", 200, 200)]
    {
        server.call(by_key(name, "sk_a")).await.is(200);
        server.call(by_key(name, "pk_a")).await.is(with_public_key);
        server.call(Call::get(&format!("/v1/functions/{name}"))).await.is(401);
        server.call(by_project(name)).await.is(with_nothing);
        server.call(by_project(name).session("dev_a")).await.is(200);
        server.call(by_project(name).key("pk_a")).await.is(with_public_key);
    }
    server.call(by_project("missing")).await.is_error(401, "unauthenticated");
    server.call(by_key("key", "pk_revoked")).await.is_error(401, "unauthenticated");
    server.call(by_project("key").key("pk_b")).await.is_error(404, "project_not_found");
    let cross_site = Call::new(Method::POST, &format!("/v1/projects/{}/functions/key/invoke", server.a));
    let cross_site = cross_site.session("dev_a").header("origin", "https://evil.example");
    server.call(cross_site).await.is_error(403, "origin_not_allowed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_means_the_function_of_the_callers_project() {
    let server = Server::start().await;
    server.deploy("f", "export default () => new Response('a')").await.is(201);
    let of_b = crate::support::deployment("f", "export default () => new Response('b')", json!({}));
    server.manage_as("sk_b", &server.b, (Method::POST, "", Some(of_b))).await.is(201);
    assert_eq!(server.get("/v1/functions/f").await.text(), "a");
    assert_eq!(server.call(Call::get("/v1/functions/f").key("pk_b")).await.text(), "b");
    server.manage_as("sk_a", &server.b, (Method::GET, "/f", None)).await.is_error(404, "project_not_found");
    server.manage(Method::DELETE, "/f", None).await.is(204);
    server.get("/v1/functions/f").await.is_error(404, "function_not_found");
    assert_eq!(server.call(Call::get("/v1/functions/f").key("pk_b")).await.is(200).text(), "b");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_sees_the_request_without_what_proves_identity() {
    let server = Server::start().await;
    server.deploy("echo", ECHO).await.is(201);
    let call = Call::post("/v1/functions/echo/a/b?c=d", b"12345")
        .key("sk_a")
        .header("authorization", "Bearer sk_a")
        .header("cookie", "theme=dark; session_token=dev_a")
        .header("x-invocation-id", "forged")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("x-mine", "1");
    let answer = server.call(call).await;
    let seen = answer.is(200).json();
    assert_eq!(seen["url"], "http://example.com/a/b?c=d");
    assert_eq!((&seen["method"], &seen["bytes"]), (&"POST".into(), &5.into()));
    assert_eq!(seen["cookie"], "theme=dark");
    assert_eq!(seen["invocation"], answer.headers["x-invocation-id"].to_str().unwrap());
    let headers = seen["headers"].to_string();
    for gone in ["x-bunbase-client-key", "authorization", "connection", "x-hop"] {
        assert!(!headers.contains(gone), "{headers}");
    }
    assert!(headers.contains("x-mine"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_reaches_the_handler() {
    let server = Server::start().await;
    let source = "export default (req) => new Response('abc', { headers: { 'x-method': req.method } })";
    server.deploy("m", source).await.is(201);
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST"] {
        let call = Call::new(method.parse().unwrap(), "/functions/m").key("pk_a");
        assert_eq!(server.call(call).await.is(200).headers["x-method"], method);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_pass_up_to_the_limit_and_not_over_it() {
    let limit = 1 << 20;
    let server = Server::start_with(FunctionsConfig { body_bytes_max: limit, ..config() }).await;
    server.deploy("echo", ECHO).await.is(201);
    for bytes in [0, 1, 256 << 10, (256 << 10) + 1, limit] {
        let body = vec![7; bytes];
        let answer = server.call(Call::post("/v1/functions/echo", &body).key("pk_a")).await;
        assert_eq!(answer.is(200).json()["bytes"], bytes);
    }
    let over = vec![7; limit + 1];
    server.call(Call::post("/v1/functions/echo", &over).key("pk_a")).await.is_error(413, "body_too_large");
    for (chunks, status) in [(16, 200), (17, 413)] {
        let answer =
            Answer::of(server.front.call(streamed("/v1/functions/echo", chunks, limit / 16)).await).await;
        answer.is(status);
    }
    server.stop().await;
}

/// A body without a length.
fn streamed(
    path: &str,
    chunks: usize,
    bytes: usize,
) -> Request<impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static> {
    let frames = (0..chunks).map(move |_| Ok(http_body::Frame::data(Bytes::from(vec![7; bytes]))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Request::post(path).header("x-bunbase-client-key", "pk_a").body(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_a_function_have_their_own_answers() {
    let server = Server::start().await;
    let source = r#"
        export default async (req: Request) => {
            switch (new URL(req.url).pathname) {
                case "/throw": throw new Error("secret detail");
                case "/nothing": return "text" as never;
                case "/exit": process.exit(1);
                case "/late": await new Promise(() => {});
                case "/stream": return new Response(new Blob(["a", "b"]).stream());
            }
            return new Response("fine");
        }"#;
    server.deploy_with("f", source, json!({ "settings": { "execution_timeout_ms": 300 } })).await.is(201);
    let thrown = server.get("/v1/functions/f/throw").await;
    thrown.is_error(500, "handler_error");
    assert!(!thrown.text().contains("secret detail"), "{thrown:?}");
    let error_id = thrown.json()["error"]["details"]["error_id"].as_str().unwrap().to_owned();
    server.get("/v1/functions/f/nothing").await.is_error(500, "no_response");
    server.get("/v1/functions/f/late").await.is_error(504, "timeout");
    server.get("/v1/functions/f/exit").await.is_error(502, "worker_crashed");
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "fine");
    assert_eq!(server.get("/v1/functions/f/stream").await.is(200).text(), "ab");
    let logs = server.manage(Method::GET, "/f/logs?level=error&limit=50", None).await.json();
    let text = logs["logs"].to_string();
    assert!(text.contains("secret detail") && text.contains(&error_id), "{text}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_aborts_the_signal() {
    let server = Server::start().await;
    let source = r#"
        export default async (req: Request) => {
            console.log("began");
            await new Promise<void>((done) => req.signal.addEventListener("abort", () => { console.log("aborted"); done(); }));
            return new Response();
        }"#;
    server.deploy("f", source).await.is(201);
    let front = server.front.clone();
    let call =
        tokio::spawn(
            async move { front.call(Call::get("/v1/functions/f").key("pk_a").build()).await.status() },
        );
    wait_for_line(&server, "began").await;
    call.abort();
    wait_for_line(&server, "aborted").await;
    server.stop().await;
}

async fn wait_for_line(server: &Server, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let logs = server.manage(Method::GET, "/f/logs", None).await.json();
        if logs["logs"].as_array().unwrap().iter().any(|line| line["message"] == text) {
            return;
        }
        assert!(Instant::now() < deadline, "no line {text:?} in {logs}");
    }
}
