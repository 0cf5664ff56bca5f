//! Functions as a user meets them: deployed over HTTP, run in real Bun.

use crate::client::{Client, Project};
use crate::server::{Data, Server};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

const HELLO: &str = "export default () => Response.json({ hello: 'world' })";

async fn one_project(server: &Server) -> (Client, Project, Client) {
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let caller = server.client().with_key(&project.public_key);
    (ada, project, caller)
}

/// The function's log lines of one invocation, once they are there.
async fn logged(ada: &Client, project: &Project, name: &str, invocation: &str) -> Vec<Value> {
    let path = format!("/v1/projects/{}/functions/{name}/logs?invocation_id={invocation}", project.id);
    for _ in 0..5000 {
        let body = ada.get(&path).await.expect(200);
        let lines = body["logs"].as_array().unwrap().clone();
        if !lines.is_empty() {
            return lines;
        }
    }
    panic!("nothing was logged for {invocation}");
}

#[tokio::test]
async fn a_function_answers_from_documents_and_logs_under_its_invocation() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    let source = r#"
        import { bunbase } from "bunbase-js/function";
        export default async (req: Request) => {
          const name = new URL(req.url).searchParams.get("name") ?? "nobody";
          console.log("greeting", name);
          const made = await bunbase.db.collection("greetings").create({ name });
          const found = await bunbase.db.collection("greetings").query({ name });
          return Response.json({ id: made._id, found: found.documents.length, invocation: req.headers.get("x-invocation-id") }, { status: 201 });
        };"#;
    ada.deploy(&project, "greet", "v1", source).await.expect(201);
    let answer = caller.get("/v1/functions/greet?name=Ada").await;
    let invocation = answer.headers["x-invocation-id"].to_str().unwrap().to_owned();
    let body = answer.expect(201);
    assert_eq!(body["found"], 1);
    assert_eq!(body["invocation"], invocation.as_str());
    let lines = logged(&ada, &project, "greet", &invocation).await;
    assert_eq!(lines[0]["message"], "greeting Ada");
    // The aliases reach the same function.
    for path in ["/api/functions/greet?name=B", "/functions/greet?name=B"] {
        caller.get(path).await.expect(201);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_version_is_immutable_and_a_bad_one_leaves_the_good_one() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    ada.deploy(&project, "f", "v1", HELLO).await.expect(201);
    let again = ada.deploy(&project, "f", "v1", HELLO).await;
    assert!(again.status.is_success(), "{}", again.body);
    ada.deploy(&project, "f", "v1", "export default () => new Response('2')")
        .await
        .expect_error(409, "version_exists");
    for (version, source) in [
        ("v2", "export default () => {"),
        ("v3", "throw new Error('on import'); export default () => new Response()"),
        ("v4", "export const nothing = 1"),
    ] {
        ada.deploy(&project, "f", version, source).await.expect_error(400, "invalid_bundle");
    }
    assert_eq!(caller.get("/v1/functions/f").await.expect(200), json!({ "hello": "world" }));
    ada.deploy(&project, "f", "v5", "export default { fetch: () => new Response('five') }").await.expect(201);
    assert_eq!(caller.get("/v1/functions/f").await.expect(200), "five");
    server.stop().await;
}

#[tokio::test]
async fn failures_of_a_handler_have_their_own_answers() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    let source = r#"
        export default async (req: Request) => {
          const path = new URL(req.url).pathname;
          if (path === "/throw") throw new Error("the secret is swordfish");
          if (path === "/nothing") return undefined;
          if (path === "/loop") for (;;) {}
          if (path === "/exit") process.exit(3);
          return new Response("ok");
        };"#;
    ada.deploy(&project, "f", "v1", source).await.expect(201);
    let settings = json!({ "execution_timeout_ms": 500 });
    ada.patch(&format!("/v1/projects/{}/functions/f", project.id), settings).await.expect(200);
    let thrown = caller.get("/v1/functions/f/throw").await;
    let invocation = thrown.headers["x-invocation-id"].to_str().unwrap().to_owned();
    let body = thrown.expect_error(500, "handler_error");
    assert!(body["error"]["details"]["error_id"].is_string());
    assert!(!body.to_string().contains("swordfish"), "{body}");
    let lines = logged(&ada, &project, "f", &invocation).await;
    assert!(
        lines.iter().any(|line| line["message"].as_str().unwrap().contains("the secret is swordfish")),
        "{lines:?}"
    );
    caller.get("/v1/functions/f/nothing").await.expect_error(500, "no_response");
    caller.get("/v1/functions/f/exit").await.expect_error(502, "worker_crashed");
    assert_eq!(caller.get("/v1/functions/f/fine").await.expect(200), "ok");
    caller.get("/v1/functions/f/loop").await.expect_error(504, "timeout");
    assert_eq!(caller.get("/v1/functions/f/fine").await.expect(200), "ok");
    server.stop().await;
}

#[tokio::test]
async fn an_endless_loop_does_not_hurt_another_function() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    ada.deploy(&project, "loop", "v1", "export default () => { for (;;) {} }").await.expect(201);
    ada.deploy(&project, "hello", "v1", HELLO).await.expect(201);
    let path = format!("/v1/projects/{}/functions/loop", project.id);
    ada.patch(&path, json!({ "execution_timeout_ms": 1000 })).await.expect(200);
    let looping = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get("/v1/functions/loop").await }
    });
    for _ in 0..50 {
        caller.get("/v1/functions/hello").await.expect(200);
    }
    looping.await.unwrap().expect_error(504, "timeout");
    server.stop().await;
}

#[tokio::test]
async fn bodies_stream_both_ways_and_over_the_limit_is_refused() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    let source = "export default (req: Request) => new Response(req.body)";
    ada.deploy(&project, "echo", "v1", source).await.expect(201);
    let chunk = vec![b'x'; 64 << 10];
    let stream = |chunks: usize| {
        let chunk = chunk.clone();
        reqwest::Body::wrap_stream(futures_util::stream::iter(
            (0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        ))
    };
    let response = caller.request(Method::POST, "/v1/functions/echo").body(stream(128)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut received = 0;
    let mut body = response.bytes_stream();
    while let Some(part) = body.next().await {
        received += part.unwrap().len();
    }
    assert_eq!(received, 8 << 20);
    let large = caller.request(Method::POST, "/v1/functions/echo").body(vec![0_u8; 17 << 20]);
    caller.send(large).await.expect_error(413, "body_too_large");
    server.stop().await;
}

#[tokio::test]
async fn access_decides_who_may_call() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    ada.deploy(&project, "f", "v1", HELLO).await.expect(201);
    let function = format!("/v1/projects/{}/functions/f", project.id);
    let invoke = format!("{function}/invoke");
    let secret = server.client().with_key(&project.secret_key);
    let nobody = server.client();
    caller.get("/v1/functions/f").await.expect(200);
    nobody.get("/v1/functions/f").await.expect_error(401, "unauthenticated");
    nobody.get(&invoke).await.expect_error(401, "unauthenticated");
    ada.patch(&function, json!({ "access": "secret" })).await.expect(200);
    caller.get("/v1/functions/f").await.expect_error(403, "forbidden");
    secret.get("/v1/functions/f").await.expect(200);
    ada.patch(&function, json!({ "access": "public" })).await.expect(200);
    nobody.get(&invoke).await.expect(200);
    let other = ada.project("other").await;
    server
        .client()
        .with_key(&other.secret_key)
        .get("/v1/functions/f")
        .await
        .expect_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test]
async fn functions_are_there_after_kill_dash_nine() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    ada.deploy(&project, "hello", "v1", HELLO).await.expect(201);
    server.kill().await;
    let server = Server::start(&data).await;
    let caller = caller.at(&server);
    assert_eq!(caller.get("/v1/functions/hello").await.expect(200), json!({ "hello": "world" }));
    server.stop().await;
}

#[tokio::test]
async fn a_deploy_under_load_loses_no_call() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let (ada, project, caller) = one_project(&server).await;
    ada.deploy(&project, "f", "v0", "export default () => new Response('0')").await.expect(201);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (caller, stopped) = (caller.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !*stopped.borrow() {
                    let body = caller.get("/v1/functions/f").await.expect(200);
                    assert!(body.is_number(), "{body}");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for version in 1..6 {
        let source = format!("export default () => new Response('{version}')");
        ada.deploy(&project, "f", &format!("v{version}"), &source).await.expect(201);
    }
    stop.send(true).unwrap();
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    assert_eq!(caller.get("/v1/functions/f").await.expect(200), 5);
    server.stop().await;
}
