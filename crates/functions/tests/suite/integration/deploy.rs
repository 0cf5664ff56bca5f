//! Deployments: what is taken, what is refused, what stays.

use crate::support::{Call, Server, config};
use functions::FunctionsConfig;
use http::Method;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn answering(text: &str) -> String {
    format!("export default (req: Request): Response => new Response({text:?})")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_handler_takes_calls() {
    let server = Server::start().await;
    let forms = [
        ("plain", r#"export default async (req: Request) => new Response("ok")"#, "default"),
        ("object", r#"export default { fetch(req: Request) { return new Response("ok") } }"#, "default"),
        ("named", r#"export function handler(req: Request) { return new Response("ok") }"#, "default"),
        ("chosen", r#"export const other = () => new Response("ok")"#, "other"),
    ];
    for (name, source, handler) in forms {
        let deployed = server.deploy_with(name, source, json!({ "handler": handler })).await;
        deployed.is(201);
        assert_eq!(deployed.json()["handler"], handler);
        let answer = server.get(&format!("/v1/functions/{name}")).await;
        assert_eq!((answer.is(200).text(), name), ("ok", name));
    }
    let list = server.manage(Method::GET, "", None).await.json();
    let names: Vec<_> = list["functions"].as_array().unwrap().iter().map(|each| &each["name"]).collect();
    assert_eq!(names, ["chosen", "named", "object", "plain"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes() {
    let server = Server::start().await;
    let first = server.deploy_with("f", &answering("1"), json!({ "version": "v1" })).await;
    first.is(201);
    server.deploy_with("f", &answering("1"), json!({ "version": "v1" })).await.is(200);
    server
        .deploy_with("f", &answering("2"), json!({ "version": "v1" }))
        .await
        .is_error(409, "version_exists");
    assert_eq!(server.get("/v1/functions/f").await.text(), "1");
    server.deploy_with("f", &answering("2"), json!({ "version": "v2" })).await.is(201);
    assert_eq!(server.get("/v1/functions/f").await.text(), "2");
    let back = server.deploy_with("f", &answering("1"), json!({ "version": "v1" })).await;
    assert_eq!(back.is(200).json()["version"], "v1");
    assert_eq!(server.get("/v1/functions/f").await.text(), "1");
    assert_eq!(first.json()["id"], back.json()["id"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_take_calls_is_refused_and_the_version_before_stays() {
    let server = Server::start_with(FunctionsConfig { startup_timeout_ms: 2_000, ..config() }).await;
    server.deploy("f", &answering("good")).await.is(201);
    let cases = [
        ("export default function( {", false, "Expected identifier"),
        ("throw new Error('boom at import'); export default () => new Response()", false, "boom at import"),
        ("export const nothing = 1", false, "handler"),
        ("import x from 'left-pad'; export default () => x", false, "left-pad"),
        (
            "import x from '/etc/hostname' with { type: 'text' }; export default () => x",
            false,
            "/etc/hostname",
        ),
        ("export default function( {", true, ""),
        ("while (true) {}", true, ""),
        ("process.exit(3)", true, ""),
    ];
    for (source, bundled, said) in cases {
        let answer = server.deploy_with("f", source, json!({ "bundled": bundled })).await;
        answer.is_error(400, "invalid_bundle");
        assert!(answer.text().contains(said), "{source}: {answer:?}");
        assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "good", "{source}");
    }
    let thrown = server.deploy("new", "throw new Error('boom'); export default () => 1").await.json();
    assert!(thrown["error"]["details"]["stack"].as_str().unwrap().contains("boom"), "{thrown}");
    server.get("/v1/functions/new").await.is_error(404, "function_not_found");
    assert_eq!(server.bundles(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_deployments_are_told_what_is_wrong() {
    let server =
        Server::start_with(FunctionsConfig { functions_max: 1, bundle_bytes_max: 200, ..config() }).await;
    for name in ["../f", "", "a b", "f\0"] {
        server.deploy(name, "export default 1").await.is_error(400, "invalid_name");
    }
    let more = [
        (json!({ "version": "../1" }), 400, "invalid_name"),
        (json!({ "handler": "a b" }), 400, "invalid_name"),
        (json!({ "runtime": "node" }), 400, "invalid_request"),
        (json!({ "bundle": "***" }), 400, "invalid_request"),
        (json!({ "bundle": "" }), 400, "invalid_request"),
        (json!({ "settings": { "max_workers": 0 } }), 400, "invalid_request"),
        (json!({ "settings": { "access": "everybody" } }), 400, "invalid_request"),
        (json!({ "surprise": 1 }), 400, "invalid_request"),
    ];
    for (fields, status, code) in more {
        server.deploy_with("f", "export default 1", fields).await.is_error(status, code);
    }
    server.deploy("f", &"x".repeat(201)).await.is_error(413, "body_too_large");
    server.deploy("one", &answering("1")).await.is(201);
    server.deploy("two", &answering("2")).await.is_error(413, "limit_exceeded");
    let foreign = deploy_as(&server, "pk_a").await;
    assert_ne!(foreign, 201);
    server.stop().await;
}

async fn deploy_as(server: &Server, key: &str) -> u16 {
    let body = crate::support::deployment("x", "export default 1", json!({}));
    server.manage_as(key, &server.b, (Method::POST, "", Some(body))).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_under_load_loses_no_call() {
    let server = Arc::new(Server::start().await);
    server.deploy("f", &answering("0")).await.is(201);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (server, stop) = (server.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    server.get("/v1/functions/f").await.is(200);
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for number in 1..=4 {
        server.deploy("f", &answering(&number.to_string())).await.is(201);
        let patch = json!({ "max_concurrency": 10 + number });
        server.manage(Method::PATCH, "/f", Some(patch)).await.is(200);
        assert_eq!(server.get("/v1/functions/f").await.text(), number.to_string());
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_their_settings_survive_a_restart() {
    let server = Server::start().await;
    let settings = json!({ "settings": { "access": "secret", "execution_timeout_ms": 1234 } });
    server.deploy_with("f", &answering("kept"), settings).await.is(201);
    let server = server.restart().await;
    server.get("/v1/functions/f").await.is_error(403, "forbidden");
    let answer = server.call(Call::get("/v1/functions/f").key("sk_a")).await;
    assert_eq!(answer.is(200).text(), "kept");
    let seen = server.manage(Method::GET, "/f", None).await.json();
    assert_eq!(
        (&seen["access"], &seen["settings"]["execution_timeout_ms"]),
        (&"secret".into(), &1234.into())
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_are_removed_beyond_the_limit() {
    let server = Server::start_with(FunctionsConfig { versions_max: 2, ..config() }).await;
    for number in 0..4 {
        server.deploy("f", &answering(&number.to_string())).await.is(201);
    }
    assert_eq!(server.bundles(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_reaches_its_own_project_and_its_siblings() {
    let server = Server::start().await;
    let source = r#"
        import { bunbase } from "bunbase-js/function";
        export default async () => Response.json({
            found: await bunbase.db.collection("c").get("1"),
            sibling: await bunbase.functions.invoke("sibling", { n: 1 }),
        });"#;
    server
        .deploy_with("sibling", "export default async (r) => Response.json(await r.json())", json!({}))
        .await
        .is(201);
    server.deploy("f", source).await.is(201);
    let seen = server.get("/v1/functions/f").await.is(200).json();
    assert_eq!(seen["sibling"]["n"], 1, "{seen}");
    assert_eq!(seen["found"]["by_function"], true, "{seen}");
    assert_eq!(seen["found"]["project"], server.a.as_str(), "{seen}");
    server.stop().await;
}

/// What is imported is tried with the handlers of the version before; that they are there says nothing of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_only_built_needs_its_own_handlers_and_not_those_before() {
    let server = Server::start().await;
    let before = r#"
        export const config = { handlers: [{ name: "a", triggers: [{ kind: "http", path: "/" }] }] };
        export const a = () => new Response("a");"#;
    server.deploy("f", before).await.is(201);
    // `export const a = () => new Response("a");`
    let lacking =
        json!({ "version": "v2", "bundle": "ZXhwb3J0IGNvbnN0IGEgPSAoKSA9PiBuZXcgUmVzcG9uc2UoImEiKTs=" });
    server.manage(Method::POST, "/f/versions", Some(lacking)).await.is_error(400, "invalid_bundle");
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "a");
    assert_eq!(server.bundles(), 1);
    server.stop().await;
}
