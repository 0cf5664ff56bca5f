//! The life of a function: registered, built, deployed; back again; shared between versions; under other names.

use crate::support::{Call, Server, config};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use functions::FunctionsConfig;
use http::Method;
use serde_json::{Value, json};

fn answering(text: &str) -> String {
    format!("export default (req: Request): Response => new Response({text:?})")
}

async fn build(server: &Server, name: &str, version: &str) -> Value {
    let body = json!({ "version": version, "bundle": STANDARD.encode(answering(version)) });
    server.manage(Method::POST, &format!("/{name}/versions"), Some(body)).await.is(201).json()
}

async fn get(server: &Server, tail: &str) -> Value {
    server.manage(Method::GET, tail, None).await.is(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_registered_then_built_then_deployed() {
    let server = Server::start().await;
    let registered = server.manage(Method::POST, "", Some(json!({ "name": "f" }))).await.is(201).json();
    assert_eq!((&registered["status"], &registered["version"]), (&"registered".into(), &Value::Null));
    server.manage(Method::POST, "", Some(json!({ "name": "f" }))).await.is(200);
    server.get("/v1/functions/f").await.is_error(404, "function_not_deployed");
    server.call(Call::get("/v1/functions/f")).await.is_error(401, "unauthenticated");

    let version = build(&server, "f", "v1").await;
    assert_eq!((&version["status"], &version["form"]), (&"built".into(), &"source".into()));
    assert_eq!(version["manifest"]["handlers"][0]["triggers"][0]["kind"], "http");
    assert_eq!(get(&server, "/f").await["status"], "built");
    server.get("/v1/functions/f").await.is_error(404, "function_not_deployed");
    let again = json!({ "version": "v1", "bundle": STANDARD.encode(answering("v1")) });
    server.manage(Method::POST, "/f/versions", Some(again)).await.is(200);
    let other = json!({ "version": "v1", "bundle": STANDARD.encode(answering("x")) });
    server.manage(Method::POST, "/f/versions", Some(other)).await.is_error(409, "version_exists");

    let deployed = server.manage(Method::POST, "/f/versions/v1/deploy", None).await.is(200).json();
    assert_eq!((&deployed["status"], &deployed["version"]), (&"deployed".into(), &"v1".into()));
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "v1");
    let seen = get(&server, "/f").await;
    let states: Vec<_> = seen["changes"].as_array().unwrap().iter().map(|change| &change["state"]).collect();
    assert_eq!(states, ["deployed", "built", "registered"]);
    for time in ["registered_at", "built_at", "deployed_at"] {
        assert!(seen[time].as_str().unwrap().starts_with("20"), "{seen}");
    }
    server.manage(Method::POST, "/f/versions/v9/deploy", None).await.is_error(404, "version_not_found");
    server.manage(Method::POST, "/g/versions/v1/deploy", None).await.is_error(404, "function_not_found");
    server
        .manage(Method::POST, "", Some(json!({ "name": "g", "version": "v1" })))
        .await
        .is_error(400, "invalid_request");
    let server = server.restart().await;
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "v1");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_function_survives_a_restart_without_a_version() {
    let server = Server::start().await;
    server
        .manage(Method::POST, "", Some(json!({ "name": "f", "settings": { "min_warm": 1 } })))
        .await
        .is(201);
    let server = server.restart().await;
    server.get("/v1/functions/f").await.is_error(404, "function_not_deployed");
    let list = get(&server, "").await;
    assert_eq!(
        (&list["functions"][0]["name"], &list["functions"][0]["settings"]["min_warm"]),
        (&"f".into(), &1.into())
    );
    server.manage(Method::DELETE, "/f", None).await.is(204);
    server.get("/v1/functions/f").await.is_error(404, "function_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_goes_back_to_the_version_before() {
    let server = Server::start().await;
    for version in ["v1", "v2", "v3"] {
        server.deploy_with("f", &answering(version), json!({ "version": version })).await.is(201);
    }
    let serves = async || server.get("/v1/functions/f").await.is(200).text().to_owned();
    server.manage(Method::POST, "/f/rollback", None).await.is(200);
    assert_eq!(serves().await, "v2");
    server.manage(Method::POST, "/f/rollback", Some(json!({ "version": "v1" }))).await.is(200);
    assert_eq!(serves().await, "v1");
    server.manage(Method::POST, "/f/rollback", Some(json!({}))).await.is(200);
    assert_eq!(serves().await, "v2");
    server
        .manage(Method::POST, "/f/rollback", Some(json!({ "version": "v9" })))
        .await
        .is_error(404, "version_not_found");
    let versions = get(&server, "/f/versions").await;
    let seen: Vec<_> = versions["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (&each["version"], &each["status"]))
        .collect();
    let named = |version: &str, status: &str| (json!(version), json!(status));
    let wanted = [named("v3", "built"), named("v2", "deployed"), named("v1", "built")];
    assert_eq!(seen, wanted.iter().map(|(version, status)| (version, status)).collect::<Vec<_>>());
    assert!(versions["versions"][0].get("manifest").is_none());
    server.deploy("lone", &answering("x")).await.is(201);
    server.manage(Method::POST, "/lone/rollback", None).await.is_error(404, "version_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_shared_by_weight_until_a_version_takes_them_all() {
    let server = Server::start().await;
    for version in ["v1", "v2"] {
        server.deploy_with("f", &answering(version), json!({ "version": version })).await.is(201);
    }
    let put = async |versions: Value| {
        server.manage(Method::PUT, "/f/traffic", Some(json!({ "versions": versions }))).await
    };
    let shares =
        put(json!([{ "version": "v1", "weight": 3 }, { "version": "v2", "weight": 1 }])).await.is(200).json();
    assert_eq!(shares["version"], "v1");
    let counted = async |server: &Server| {
        let mut count = 0;
        for _ in 0..40 {
            count += u32::from(server.get("/v1/functions/f").await.is(200).text() == "v1");
        }
        count
    };
    assert!((28..=32).contains(&counted(&server).await));
    let server = server.restart().await;
    assert!((28..=32).contains(&counted(&server).await));
    let seen = get(&server, "/f").await;
    assert_eq!(seen["traffic"], json!([{ "version": "v1", "weight": 3 }, { "version": "v2", "weight": 1 }]));
    let put = async |versions: Value| {
        server.manage(Method::PUT, "/f/traffic", Some(json!({ "versions": versions }))).await
    };
    for bad in [
        json!([]),
        json!([{ "version": "v1", "weight": 0 }]),
        json!([{ "version": "v1", "weight": 1 }, { "version": "v1", "weight": 1 }]),
        json!([{ "version": "v1", "weight": 1 }, { "version": "v2", "weight": 1 }, { "version": "v3", "weight": 1 }]),
        json!([{ "version": "v1", "weight": 10_001 }]),
    ] {
        put(bad).await.is_error(400, "invalid_request");
    }
    put(json!([{ "version": "v9", "weight": 1 }])).await.is_error(404, "version_not_found");
    put(json!([{ "version": "v1", "weight": 0 }, { "version": "v2", "weight": 5 }])).await.is(200);
    assert_eq!(counted(&server).await, 0);
    put(json!([{ "version": "v1", "weight": 1 }, { "version": "v2", "weight": 1 }])).await.is(200);
    server.deploy_with("f", &answering("v3"), json!({ "version": "v3" })).await.is(201);
    assert_eq!(server.get("/v1/functions/f").await.text(), "v3");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_has_an_address_and_workers_of_its_own() {
    let server = Server::start().await;
    server.deploy_with("f", &answering("v1"), json!({ "version": "v1" })).await.is(201);
    build(&server, "f", "v2").await;
    let put = async |alias: &str, version: &str| {
        server.manage(Method::PUT, &format!("/f/aliases/{alias}"), Some(json!({ "version": version }))).await
    };
    assert_eq!(put("preview-login", "v2").await.is(200).json()["version"], "v2");
    for path in ["/v1/functions/f@preview-login", "/v1/functions/f%40preview-login/x"] {
        assert_eq!(server.get(path).await.is(200).text(), "v2");
    }
    for path in ["/v1/functions/f", "/v1/functions/f@live"] {
        assert_eq!(server.get(path).await.is(200).text(), "v1");
    }
    let by_project = format!("/v1/projects/{}/functions/f@preview-login/invoke", server.a);
    assert_eq!(server.get(&by_project).await.is(200).text(), "v2");
    server.get("/v1/functions/f@other").await.is_error(404, "version_not_found");
    server.call(Call::get(&by_project)).await.is_error(401, "unauthenticated");
    for (alias, version, status, code) in [
        ("Preview", "v2", 400, "invalid_name"),
        ("a--b", "v2", 400, "invalid_name"),
        ("live", "v2", 400, "invalid_request"),
        ("preview-2", "v9", 404, "version_not_found"),
    ] {
        put(alias, version).await.is_error(status, code);
    }
    let server = server.restart().await;
    assert_eq!(server.get("/v1/functions/f@preview-login").await.is(200).text(), "v2");
    let aliases = get(&server, "/f/aliases").await;
    assert_eq!(
        (&aliases["aliases"][0]["alias"], aliases["aliases"].as_array().unwrap().len()),
        (&"preview-login".into(), 1)
    );
    server.manage(Method::DELETE, "/f/aliases/preview-login", None).await.is(204);
    server.manage(Method::DELETE, "/f/aliases/preview-login", None).await.is_error(404, "version_not_found");
    server.get("/v1/functions/f@preview-login").await.is_error(404, "version_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_alias_or_was_active_before_is_kept_beyond_the_limit() {
    let server = Server::start_with(FunctionsConfig { versions_max: 2, ..config() }).await;
    server.deploy_with("f", &answering("v0"), json!({ "version": "v0" })).await.is(201);
    server.manage(Method::PUT, "/f/aliases/old", Some(json!({ "version": "v0" }))).await.is(200);
    for version in ["v1", "v2", "v3"] {
        server.deploy_with("f", &answering(version), json!({ "version": version })).await.is(201);
    }
    let names = async || {
        let list = get(&server, "/f/versions").await;
        let names = list["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["version"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["v3", "v2", "v0"]);
    assert_eq!(server.get("/v1/functions/f@old").await.is(200).text(), "v0");
    server.manage(Method::POST, "/f/rollback", Some(json!({ "version": "v0" }))).await.is(200);
    server.deploy_with("f", &answering("v4"), json!({ "version": "v4" })).await.is(201);
    assert_eq!(names().await, ["v4", "v3", "v0"]);
    assert_eq!(server.bundles(), 3);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_told_with_where_they_come_from() {
    let server = Server::start().await;
    let source = r#"
        export const config = { settings: { max_concurrency: 7, queue_max: 5 }, limits: { execution_timeout_ms: 60 } };
        export default () => new Promise(() => {})"#;
    server.deploy_with("f", source, json!({ "settings": { "queue_max": 9 } })).await.is(201);
    server.get("/v1/functions/f").await.is_error(504, "timeout");
    let seen = get(&server, "/f").await;
    let from = |name: &str| {
        (seen["settings_from"][name]["value"].clone(), seen["settings_from"][name]["from"].clone())
    };
    assert_eq!(from("queue_max"), (json!(9), json!("function")));
    assert_eq!(from("max_concurrency"), (json!(7), json!("manifest")));
    assert_eq!(from("execution_timeout_ms"), (json!(60), json!("manifest")));
    assert_eq!(from("max_workers"), (json!(2), json!("configuration")));
    let changed =
        server.manage(Method::PATCH, "/f", Some(json!({ "queue_max": null, "idle_timeout_ms": 5000 }))).await;
    let settings = changed.is(200).json()["settings"].clone();
    assert_eq!((&settings["queue_max"], &settings["idle_timeout_ms"]), (&5.into(), &5000.into()));
    for bad in [json!({ "min_warm": 17 }), json!({ "queue_timeout_ms": 1 }), json!({ "idle_timeout_ms": 1 })]
    {
        server.manage(Method::PATCH, "/f", Some(bad)).await.is_error(400, "invalid_request");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_come_from_the_deployment_or_from_the_module_and_stay_with_the_version() {
    let server = Server::start().await;
    let source = "export const a = () => new Response('a'); export const b = () => new Response('b')";
    let manifest = json!({ "version": 1, "handlers": [
        { "name": "nightly", "export": "b", "triggers": [{ "kind": "cron", "schedule": "@daily" }] },
        { "name": "a", "triggers": [{ "kind": "http" }] },
    ] });
    let deployed = server.deploy_with("f", source, json!({ "version": "v1", "manifest": manifest })).await;
    assert_eq!(deployed.is(201).json()["handler"], "a");
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "a");
    let stored = get(&server, "/f/versions/v1").await["manifest"].clone();
    assert_eq!(stored["handlers"][0]["triggers"][0]["timezone"], "UTC");
    server.deploy_with("f", source, json!({ "version": "v1", "manifest": manifest })).await.is(200);
    let other = json!({ "version": 1, "handlers": [{ "name": "a", "triggers": [{ "kind": "http" }] }] });
    server
        .deploy_with("f", source, json!({ "version": "v1", "manifest": other }))
        .await
        .is_error(409, "version_exists");

    let missing = json!({ "version": 1, "handlers": [{ "name": "c", "triggers": [{ "kind": "http" }] }] });
    let cases = [
        (
            source,
            json!({ "manifest": { "version": 1, "handlers": [{ "name": "a", "triggers": [{ "kind": "fax" }] }] } }),
            "handlers[0].triggers[0]",
        ),
        (
            "export const config = { surprise: 1 }; export default () => new Response()",
            json!({}),
            "config.surprise",
        ),
    ];
    for (source, fields, place) in cases {
        let refused = server.deploy_with("g", source, fields).await;
        refused.is_error(400, "invalid_manifest");
        assert_eq!(refused.json()["error"]["details"]["place"], place);
    }
    server.deploy_with("g", source, json!({ "manifest": missing })).await.is_error(400, "invalid_bundle");
    server
        .deploy_with("g", source, json!({ "manifest": other, "handler": "a" }))
        .await
        .is_error(400, "invalid_request");
    server.get("/v1/functions/g").await.is_error(404, "function_not_found");

    let background = "export const config = { triggers: [{ kind: 'event', topic: 'orders.>' }] }; export default () => new Response('ran')";
    server.deploy("quiet", background).await.is(201);
    server.get("/v1/functions/quiet").await.is_error(404, "not_found");
    let odd = "export const config = { limits: 1n }; export default () => new Response()";
    server.deploy("odd", odd).await.is_error(400, "invalid_bundle");
    assert_eq!(server.bundles(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_module_of_the_documentation_of_manifests_deploys() {
    let server = Server::start().await;
    let page = include_str!("../../../../../docs/functions/manifest.md");
    let modules: Vec<_> =
        page.split("```ts\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    assert!(!modules.is_empty());
    for (number, module) in modules.iter().enumerate() {
        server.deploy(&format!("f{number}"), module).await.is(201);
        // Some take paths of their own.
        let answer = server.get(&format!("/v1/functions/f{number}")).await;
        assert!(matches!(answer.status.as_u16(), 200 | 404 | 405), "{answer:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollbacks_and_shares_under_load_lose_no_call() {
    let server = std::sync::Arc::new(Server::start().await);
    for version in ["v1", "v2"] {
        server.deploy_with("f", &answering(version), json!({ "version": version })).await.is(201);
    }
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (server, stop) = (server.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    server.get("/v1/functions/f").await.is(200);
                }
            })
        })
        .collect();
    for _ in 0..3 {
        server.manage(Method::POST, "/f/rollback", None).await.is(200);
        let shared =
            json!({ "versions": [{ "version": "v1", "weight": 1 }, { "version": "v2", "weight": 1 }] });
        server.manage(Method::PUT, "/f/traffic", Some(shared)).await.is(200);
        server.manage(Method::PUT, "/f/env/TURN", Some(json!({ "value": "x" }))).await.is(200);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    server.stop().await;
}
