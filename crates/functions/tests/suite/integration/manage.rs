//! Settings, logs, removal, and the end of a project.

use crate::support::{Call, Server};
use http::Method;
use ports::lifecycle::ProjectLifecycle;
use run_log::LogQuery;
use serde_json::json;
use service_kit::ids::FunctionId;

const LOGS: &str = r#"
    export default (req: Request) => {
        console.debug("d"); console.log("hello", { n: 1 }); console.warn("w"); console.error("e");
        return new Response();
    }"#;

#[tokio::test(flavor = "multi_thread")]
async fn settings_take_effect_for_later_calls() {
    let server = Server::start().await;
    server.deploy("f", "export default () => new Promise(() => {})").await.is(201);
    let changed = server.manage(Method::PATCH, "/f", Some(json!({ "execution_timeout_ms": 50 }))).await;
    assert_eq!(changed.is(200).json()["settings"]["execution_timeout_ms"], 50);
    server.get("/v1/functions/f").await.is_error(504, "timeout");
    let public = server.manage(Method::PATCH, "/f", Some(json!({ "access": "public" }))).await.is(200).json();
    assert_eq!(public["settings"]["execution_timeout_ms"], 50);
    let url = public["url"].as_str().unwrap();
    server.call(Call::get(url)).await.is_error(504, "timeout");
    for bad in [json!({ "execution_timeout_ms": 1 }), json!({ "speed": 1 }), json!({ "max_workers": "two" })]
    {
        server.manage(Method::PATCH, "/f", Some(bad)).await.is_error(400, "invalid_request");
    }
    server.manage(Method::PATCH, "/g", Some(json!({}))).await.is_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_carry_level_version_and_invocation() {
    let server = Server::start().await;
    server.deploy_with("f", LOGS, json!({ "version": "v7" })).await.is(201);
    let first = server.get("/v1/functions/f").await;
    let second = server.get("/v1/functions/f").await;
    let id = second.headers["x-invocation-id"].to_str().unwrap();
    assert_ne!(first.headers["x-invocation-id"], id);
    let all = server.manage(Method::GET, "/f/logs", None).await.is(200).json();
    assert_eq!(all["logs"].as_array().unwrap().len(), 8, "{all}");
    let of_second =
        server.manage(Method::GET, &format!("/f/logs?invocation_id={id}&level=info"), None).await.json();
    let lines: Vec<_> = of_second["logs"].as_array().unwrap().iter().collect();
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["info", "warn", "error"]);
    assert!(lines[0]["message"].as_str().unwrap().starts_with("hello"), "{of_second}");
    assert_eq!((&lines[0]["version"], &lines[0]["invocation_id"]), (&"v7".into(), &id.into()));
    let next = all["next"].as_i64().unwrap();
    let later = server.manage(Method::GET, &format!("/f/logs?after={next}"), None).await.json();
    assert_eq!(later["logs"], json!([]));
    for bad in ["level=loud", "limit=0", "limit=100000", "limit=x", "since=yesterday", "surprise=1"] {
        server.manage(Method::GET, &format!("/f/logs?{bad}"), None).await.is_error(400, "invalid_request");
    }
    server.manage(Method::GET, "/g/logs", None).await.is_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_function_leaves_nothing() {
    let server = Server::start().await;
    let deployed = server.deploy("f", LOGS).await.is(201).json();
    server.get("/v1/functions/f").await.is(200);
    server.manage(Method::DELETE, "/f", None).await.is(204);
    server.get("/v1/functions/f").await.is_error(404, "function_not_found");
    server.manage(Method::GET, "/f", None).await.is_error(404, "function_not_found");
    server.manage(Method::DELETE, "/f", None).await.is_error(404, "function_not_found");
    // The end waits for what goes on behind the answer.
    server.service.shutdown().await;
    assert_eq!(server.bundles(), 0);
    let function = FunctionId::parse(deployed["id"].as_str().unwrap()).unwrap();
    let wanted = LogQuery { limit: 10, ..LogQuery::default() };
    assert_eq!(server.logs.query(&server.a, &function, wanted).await.unwrap().lines, []);
    server.logs.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_removes_one_project_and_is_idempotent() {
    let server = Server::start().await;
    server.deploy("f", LOGS).await.is(201);
    server.deploy("g", LOGS).await.is(201);
    let of_b = crate::support::deployment("f", LOGS, json!({}));
    server.manage_as("sk_b", &server.b, (Method::POST, "", Some(of_b))).await.is(201);
    server.get("/v1/functions/f").await.is(200);
    server.service.purge(&server.a).await.unwrap();
    server.service.purge(&server.a).await.unwrap();
    server.get("/v1/functions/f").await.is_error(404, "function_not_found");
    assert_eq!(server.manage(Method::GET, "", None).await.json()["functions"], json!([]));
    assert_eq!(server.bundles(), 1);
    server.call(Call::get("/v1/functions/f").key("pk_b")).await.is(200);
    server.stop().await;
}
