//! Variables: set without a deployment, listed without what they hold, and never missing in silence.

use crate::support::{Server, config};
use functions::FunctionsConfig;
use http::Method;
use ports::lifecycle::ProjectLifecycle;
use ports::secrets::Secrets;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const SHOW: &str = "export default () => Response.json(process.env)";

async fn seen(server: &Server, name: &str) -> Value {
    server.get(&format!("/v1/functions/{name}")).await.is(200).json()
}

async fn set(server: &Server, path: &str, body: Value) -> crate::support::Answer {
    server.of_project(Method::PUT, path, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_reach_the_function_without_a_deployment_and_its_own_win() {
    let server = Server::start().await;
    server.deploy("f", SHOW).await.is(201);
    assert_eq!(seen(&server, "f").await, json!({}));
    set(&server, "/env/REGION", json!({ "value": "north" })).await.is(200);
    set(&server, "/env/MODE", json!({ "value": "slow" })).await.is(200);
    let own =
        set(&server, "/functions/f/env/MODE", json!({ "value": "fast ünïcode\n" })).await.is(200).json();
    assert_eq!(
        (&own["variable"]["key"], &own["variable"]["version"], &own["unchanged"]),
        (&"MODE".into(), &1.into(), &json!([]))
    );
    assert_eq!(seen(&server, "f").await, json!({ "REGION": "north", "MODE": "fast ünïcode\n" }));
    let again = set(&server, "/functions/f/env/MODE", json!({ "value": "faster" })).await.is(200).json();
    assert_eq!(again["variable"]["version"], 2);
    assert_eq!(seen(&server, "f").await["MODE"], "faster");
    server.deploy("g", SHOW).await.is(201);
    assert_eq!(seen(&server, "g").await, json!({ "REGION": "north", "MODE": "slow" }));
    let server = server.restart().await;
    assert_eq!(seen(&server, "f").await, json!({ "REGION": "north", "MODE": "faster" }));
    server.of_project(Method::DELETE, "/functions/f/env/MODE", None).await.is(200);
    assert_eq!(seen(&server, "f").await["MODE"], "slow");
    server
        .of_project(Method::DELETE, "/functions/f/env/MODE", None)
        .await
        .is_error(404, "variable_not_found");
    server.of_project(Method::DELETE, "/env/MODE", None).await.is(200);
    assert_eq!(seen(&server, "g").await, json!({ "REGION": "north" }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_variable_holds_is_never_told_or_stored_in_clear() {
    let server = Server::start().await;
    server.deploy("f", SHOW).await.is(201);
    let secret = "correct-horse-battery";
    let put = set(&server, "/functions/f/env/KEY", json!({ "value": secret })).await;
    let listed = server.of_project(Method::GET, "/functions/f/env", None).await;
    let detail = server.manage(Method::GET, "/f", None).await;
    for answer in [&put, &listed, &detail] {
        assert!(!answer.is(200).text().contains(secret), "{answer:?}");
    }
    assert_eq!(listed.json()["variables"][0]["kind"], "value");
    server.of_project(Method::GET, "/functions/f/env/KEY", None).await.is(405);
    server.stop().await;
    for file in std::fs::read_dir(server.bundles_directory().parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_can_be_what_a_secret_holds() {
    let server = Server::start().await;
    server.deploy("f", SHOW).await.is(201);
    set(&server, "/env/TOKEN", json!({ "secret": "missing" })).await.is_error(404, "secret_not_found");
    server.keeper.put(&server.a, "stripe", b"sk_1").await.unwrap();
    let put = set(&server, "/env/TOKEN", json!({ "secret": "stripe" })).await.is(200).json();
    assert_eq!((&put["variable"]["kind"], &put["variable"]["secret"]), (&"secret".into(), &"stripe".into()));
    assert_eq!(seen(&server, "f").await["TOKEN"], "sk_1");
    server.keeper.put(&server.a, "stripe", b"sk_2").await.unwrap();
    assert_eq!(seen(&server, "f").await["TOKEN"], "sk_1");
    set(&server, "/env/TOKEN", json!({ "secret": "stripe" })).await.is(200);
    assert_eq!(seen(&server, "f").await["TOKEN"], "sk_2");
    server.keeper.put(&server.a, "bytes", &[0xff, 0xfe]).await.unwrap();
    set(&server, "/env/TOKEN", json!({ "secret": "bytes" })).await.is_error(400, "invalid_request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_values_and_numbers_have_limits() {
    let limits =
        FunctionsConfig { variables_max: 2, variable_bytes_max: 10, environment_bytes_max: 25, ..config() };
    let server = Server::start_with(limits).await;
    server.deploy("f", SHOW).await.is(201);
    for key in ["PATH", "BUNBASE_KEY", "1A", "A-B"] {
        set(&server, &format!("/env/{key}"), json!({ "value": "x" })).await.is_error(400, "invalid_name");
    }
    for body in [
        json!({}),
        json!({ "value": "a", "secret": "b" }),
        json!({ "value": 1 }),
        json!({ "value": "a\u{0}" }),
    ] {
        set(&server, "/env/A", body).await.is_error(400, "invalid_request");
    }
    set(&server, "/env/A", json!({ "value": "x".repeat(11) })).await.is_error(413, "body_too_large");
    set(&server, "/env/A", json!({ "value": "x".repeat(10) })).await.is(200);
    set(&server, "/env/B", json!({ "value": "x".repeat(10) })).await.is(200);
    set(&server, "/env/C", json!({ "value": "" })).await.is_error(413, "limit_exceeded");
    set(&server, "/functions/f/env/C", json!({ "value": "1234" })).await.is_error(413, "body_too_large");
    set(&server, "/functions/f/env/C", json!({ "value": "" })).await.is(200);
    assert_eq!(seen(&server, "f").await["C"], "");
    set(&server, "/functions/g/env/C", json!({ "value": "" })).await.is_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_version_does_not_start_with_is_refused_or_told() {
    let server = Server::start().await;
    let source = "if (process.env.MODE === 'bad') throw new Error('no such mode'); export default () => new Response(process.env.MODE ?? 'none')";
    server.deploy("f", source).await.is(201);
    set(&server, "/functions/f/env/MODE", json!({ "value": "bad" })).await.is_error(400, "invalid_bundle");
    let answer = async || server.get("/v1/functions/f").await.is(200).text().to_owned();
    assert_eq!(answer().await, "none");
    assert_eq!(server.of_project(Method::GET, "/functions/f/env", None).await.json()["variables"], json!([]));
    set(&server, "/functions/f/env/MODE", json!({ "value": "good" })).await.is(200);
    assert_eq!(answer().await, "good");
    server.of_project(Method::DELETE, "/functions/f/env/MODE", None).await.is(200);
    let told = set(&server, "/env/MODE", json!({ "value": "bad" })).await.is(200).json();
    assert_eq!(told["unchanged"][0]["function"], "f");
    assert_eq!(answer().await, "none");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_can_have_variables_before_its_first_version() {
    let server = Server::start().await;
    server.manage(Method::POST, "", Some(json!({ "name": "f" }))).await.is(201);
    set(&server, "/functions/f/env/NEEDED", json!({ "value": "1" })).await.is(200);
    let source = "if (!process.env.NEEDED) throw new Error('NEEDED is missing'); export default () => new Response('ok')";
    server.deploy("f", source).await.is(201);
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "ok");
    server.deploy("g", source).await.is_error(400, "invalid_bundle");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_keeper_of_secrets_calls_are_refused_and_go_on_when_it_is_back() {
    let server = Server::start().await;
    let public = json!({ "settings": { "access": "public" } });
    server.deploy_with("f", SHOW, public).await.is(201);
    server.deploy("plain", SHOW).await.is(201);
    set(&server, "/functions/f/env/A", json!({ "value": "1" })).await.is(200);
    server.keeper.is_down.store(true, Ordering::SeqCst);
    let server = server.restart().await;
    assert_eq!(seen(&server, "plain").await, json!({}));
    server.get("/v1/functions/f").await.is_error(503, "environment_unavailable");
    let open = format!("/v1/projects/{}/functions/f/invoke", server.a);
    server.call(crate::support::Call::get(&open)).await.is_error(503, "environment_unavailable");
    set(&server, "/env/B", json!({ "value": "1" })).await.is_error(503, "environment_unavailable");
    let again = json!({ "version": "v2", "bundle": "ZXhwb3J0IGRlZmF1bHQgMQ==" });
    server.manage(Method::POST, "/f/versions", Some(again)).await.is_error(503, "environment_unavailable");
    server.keeper.is_down.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.get("/v1/functions/f").await.status != 200 {
        assert!(Instant::now() < deadline, "the variables were not opened");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen(&server, "f").await, json!({ "A": "1" }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_go_with_their_function_and_with_the_project() {
    let server = Server::start().await;
    server.deploy("f", SHOW).await.is(201);
    set(&server, "/functions/f/env/A", json!({ "value": "old" })).await.is(200);
    set(&server, "/env/B", json!({ "value": "old" })).await.is(200);
    server.manage(Method::DELETE, "/f", None).await.is(204);
    server.deploy("f", SHOW).await.is(201);
    assert_eq!(seen(&server, "f").await, json!({ "B": "old" }));
    server.service.purge(&server.a).await.unwrap();
    assert_eq!(server.of_project(Method::GET, "/env", None).await.is(200).json()["variables"], json!([]));
    server.stop().await;
}
