//! The process: starting, draining, refusing to start, and the pages about itself.

use crate::server::{Data, Server, command};
use serde_json::{Value, json};

async fn refused(data: &Data, arguments: &[&str]) -> String {
    let output = command(&data.path(), arguments).output().await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn the_pages_about_the_process_answer() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let nobody = server.client();
    assert_eq!(nobody.get("/health").await.expect(200)["status"], "ok");
    let ready = nobody.get("/ready").await.expect(200);
    assert_eq!(ready["status"], "ready");
    assert!(ready["parts"].as_array().unwrap().len() >= 2);
    let page = nobody.get("/").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let metrics = nobody.get("/metrics").await.expect(200);
    assert!(metrics.as_str().unwrap().contains("bunbase_http_requests_total"));
    assert!(
        metrics.as_str().unwrap().contains("bunbase_worker_isolation{guard=\"launcher\"} 1"),
        "{metrics}"
    );
    let api = nobody.get("/openapi.json").await.expect(200);
    assert_eq!(
        nobody.get("/api/instance/status").await.expect(200),
        nobody.get("/v1/instance/status").await.expect(200)
    );
    assert!(api["paths"]["/v1/functions/{name}"].is_object());
    for path in ["/events", "/kv/keys", "/kms/secrets", "/storage/a/b", "/v1/kv/keys"] {
        nobody.get(path).await.expect_error(401, "unauthenticated");
    }
    nobody.get("/nothing").await.expect_error(404, "not_found");
    nobody.delete("/health").await.expect_error(405, "method_not_allowed");
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_for_operators_and_name_no_project() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("very-secret-name").await;
    let key = server.client().with_key(&project.secret_key);
    key.post("/v1/database/collections/c/documents", json!({ "a": 1 })).await.expect(201);
    let metrics = ada.get("/metrics").await.expect(200).to_string();
    assert!(!metrics.contains("very-secret-name") && !metrics.contains(&project.id));
    let forwarded = |token: Option<&str>| {
        let request = server
            .client()
            .request(reqwest::Method::GET, "/metrics")
            .header("x-forwarded-for", "203.0.113.9");
        token.map_or_else(
            || request.try_clone().unwrap(),
            |token| request.try_clone().unwrap().bearer_auth(token),
        )
    };
    ada.send(forwarded(None)).await.expect_error(401, "unauthenticated");
    ada.send(forwarded(Some("it_wrong"))).await.expect_error(401, "unauthenticated");
    let token = std::fs::read_to_string(data.path().join("instance_token")).unwrap();
    ada.send(forwarded(Some(token.trim()))).await.expect(200);
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_of_the_client_is_kept_when_it_is_plain() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let nobody = server.client();
    let with = |id: &str| nobody.request(reqwest::Method::GET, "/nothing").header("x-request-id", id);
    let answer = nobody.send(with("my-id.1")).await;
    assert_eq!(answer.headers["x-request-id"], "my-id.1");
    assert_eq!(answer.body["error"]["request_id"], "my-id.1");
    let answer = nobody.send(with("bad id<script>")).await;
    assert!(answer.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    server.stop().await;
}

#[tokio::test]
async fn calls_in_flight_end_before_the_process_does() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let source = r#"
        let release;
        const gate = new Promise((resolve) => { release = resolve; });
        export default async (req: Request) => {
          if (new URL(req.url).pathname === "/wait") { console.log("waiting"); await gate; return new Response("released"); }
          setTimeout(release, 300);
          return new Response("releasing");
        };"#;
    ada.deploy(&project, "f", "v1", source).await.expect(201);
    let settings = json!({ "max_workers": 1 });
    ada.patch(&format!("/v1/projects/{}/functions/f", project.id), settings).await.expect(200);
    let caller = server.client().with_key(&project.public_key);
    let waiting = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get("/v1/functions/f/wait").await }
    });
    let logs = format!("/v1/projects/{}/functions/f/logs", project.id);
    while ada.get(&logs).await.expect(200)["logs"].as_array().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    caller.get("/v1/functions/f/release").await.expect(200);
    let (status, log) = server.stop().await;
    assert!(status.success(), "{status}\n{log}");
    assert_eq!(waiting.await.unwrap().expect(200), "released");
}

#[tokio::test]
async fn what_is_in_the_way_of_a_start_is_named() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let locked = refused(&data, &[]).await;
    assert!(locked.contains("in use by another bunbase") && locked.contains("--data-dir"), "{locked}");
    let other = Data::new();
    let address = server.url.strip_prefix("http://").unwrap();
    let taken = refused(&other, &["--listen", address]).await;
    assert!(taken.contains("in use by another process") && taken.contains("--listen"), "{taken}");
    server.stop().await;
    std::fs::write(data.path().join("FORMAT"), "99\n").unwrap();
    let newer = refused(&data, &[]).await;
    assert!(newer.contains("use a newer bunbase"), "{newer}");
    let config = other.path().with_file_name("bunbase.toml");
    std::fs::write(&config, "[gateway]\nlisten_on = 1\n").unwrap();
    let unknown = refused(&other, &["--config", config.to_str().unwrap()]).await;
    assert!(unknown.contains("listen_on"), "{unknown}");
    let no_bun = refused(&other, &["--bun-path", "/nonexistent/bun"]).await;
    assert!(no_bun.contains("/nonexistent/bun"), "{no_bun}");
}

#[tokio::test]
async fn settings_come_from_file_environment_and_flags() {
    let data = Data::new();
    let config = data.path().with_file_name("bunbase.toml");
    std::fs::write(&config, "[gateway]\njson_bytes_max = 1000\n[auth]\nregistration = \"closed\"\n").unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--registration", "open"];
    let server = Server::start_with(&data, &arguments).await;
    let status = server.client().get("/v1/instance/status").await.expect(200);
    assert_eq!(status["registration"], "open");
    let ada = server.client().set_up().await;
    let large = json!({ "name": "x".repeat(1500) });
    ada.post("/v1/projects", large).await.expect_error(413, "body_too_large");
    server.stop().await;
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_same_port() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response = client.get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.json::<Value>().await.unwrap()["status"], "ok");
    server.stop().await;
}
