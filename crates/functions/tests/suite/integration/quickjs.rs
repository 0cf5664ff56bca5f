//! Functions of the runtime quickjs: the same deployments, calls, logs and routes as those of Bun.

use super::archive::archive;
use crate::support::{Answer, Call, Server, config};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use functions::FunctionsConfig;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Nothing that is tested takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names the engine that runs it: only Bun has a global of this name.
const WHO: &str = "export default () => new Response(typeof Bun === 'undefined' ? 'quickjs' : 'bun')";

fn says(config: &str, body: &str) -> String {
    format!("export const config = {config}; {body}")
}

async fn described(server: &Server, name: &str) -> Value {
    server.manage(Method::GET, &format!("/{name}"), None).await.is(200).json()
}

async fn who(server: &Server, path: &str) -> String {
    server.get(&format!("/v1/functions/{path}")).await.is(200).text().to_owned()
}

#[track_caller]
fn refused(answer: &Answer, code: &str, said: &[&str]) {
    answer.is_error(400, code);
    assert!(said.iter().all(|said| answer.text().contains(said)), "{said:?} in {}", answer.text());
}

/// The newest line, once there is one.
async fn line(server: &Server, query: &str) -> Value {
    let begun = Instant::now();
    loop {
        let path = format!("/f/logs?{query}");
        let found = server.manage(Method::GET, &path, None).await.is(200).json();
        if let Some(line) = found["logs"].as_array().unwrap().first() {
            return line.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "no line of {query}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_names_its_runtime_and_reaches_its_project_secrets_and_log() {
    let server = Server::start().await;
    let source = r#"
        import { bunbase } from "bunbase-js/function";
        export const config = { runtime: "quickjs", capabilities: { max_memory_mb: 32 }, settings: { max_concurrency: 2 } };
        export default async (req: Request): Promise<Response> => {
            console.warn("token", process.env.TOKEN, new URL(req.url).pathname);
            const found = await bunbase.db.collection("places").get("1");
            return Response.json({ found, sent: await req.text(), invocation: req.headers.get("x-invocation-id") });
        };"#;
    let deployed = server.deploy("f", source).await.is(201).json();
    assert_eq!(
        (&deployed["runtime"], &deployed["settings"]["max_concurrency"]),
        (&"quickjs".into(), &2.into())
    );
    let path = "/functions/f/env/TOKEN";
    server.of_project(Method::PUT, path, Some(json!({ "value": "swordfish-42" }))).await.is(200);
    let answer = server.call(Call::post("/v1/functions/f/sub", b"hello").key("pk_a")).await;
    let body = answer.is(200).json();
    let invocation = answer.headers["x-invocation-id"].to_str().unwrap();
    assert_eq!((&body["sent"], &body["invocation"]), (&"hello".into(), &invocation.into()));
    assert_eq!(
        (&body["found"]["project"], &body["found"]["by_function"]),
        (&server.a.as_str().into(), &true.into())
    );
    let line = line(&server, &format!("invocation_id={invocation}")).await;
    assert_eq!((&line["level"], &line["version"]), (&"warn".into(), &deployed["version"]));
    let message = line["message"].as_str().unwrap();
    assert!(
        message.starts_with("token ") && message.ends_with(" /sub") && !message.contains("swordfish"),
        "{line}"
    );
    let manifest = described(&server, "f").await["manifest"].clone();
    assert_eq!(
        (&manifest["runtime"], &manifest["capabilities"]),
        (&"quickjs".into(), &json!({ "profile": "strict", "max_memory_mb": 32 }))
    );
    let runs = server.manage(Method::GET, "/f/runs", None).await.is(200).json()["runs"].clone();
    assert_eq!((runs[0]["id"].as_str(), runs[0]["status"].as_str()), (Some(invocation), Some("ok")));
    server.get("/v1/functions/f").await.is(200);
    let server = server.restart().await;
    let cold = server.get("/v1/functions/f").await;
    cold.is(200);
    let run = server.manage(Method::GET, "/f/runs?limit=1", None).await.json()["runs"][0].clone();
    assert!(run["cold_start_us"].as_u64().is_some_and(|took| took > 0), "{run}");
    assert!(!server.get("/v1/functions/f").await.is(200).text().is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_fail_have_the_answers_of_bun() {
    let server = Server::start().await;
    let source = r#"
        export const config = { runtime: "quickjs", settings: { execution_timeout_ms: 300, memory_limit_mb: 16 } };
        export default (req: Request) => {
            switch (new URL(req.url).pathname) {
                case "/throw": throw new Error("swordfish");
                case "/nothing": return undefined;
                case "/loop": for (;;) {}
                case "/fill": { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }
            }
            return new Response("fine");
        };"#;
    server.deploy("f", source).await.is(201);
    let thrown = server.get("/v1/functions/f/throw").await;
    thrown.is_error(500, "handler_error");
    assert!(!thrown.text().contains("swordfish"), "{thrown:?}");
    let error_id = thrown.json()["error"]["details"]["error_id"].as_str().unwrap().to_owned();
    let invocation = thrown.headers["x-invocation-id"].to_str().unwrap();
    let logged = line(&server, &format!("invocation_id={invocation}")).await;
    let said = logged["message"].as_str().unwrap();
    assert!(said.contains(&error_id) && said.contains("swordfish"), "{said}");
    server.get("/v1/functions/f/nothing").await.is_error(500, "no_response");
    server.get("/v1/functions/f/loop").await.is_error(504, "timeout");
    server.get("/v1/functions/f/fill").await.is_error(502, "memory_limit");
    assert_eq!(server.get("/v1/functions/f/").await.is(200).text(), "fine");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_of_node_and_bun_are_refused_by_name() {
    let server = Server::start().await;
    let deploy = async |code: &str, more: Value| server.deploy_with("f", code, more).await;
    let quickjs = json!({ "runtime": "quickjs" });
    for (import, name) in [
        ("import { readFileSync as used } from 'node:fs'", "node:fs"),
        ("import used from 'path'", "path"),
        ("import used from 'events'", "events"),
        ("import { Database as used } from 'bun:sqlite'", "bun:sqlite"),
        ("import { $ as used } from 'bun'", "bun"),
        ("const used = await import('node:os')", "node:os"),
    ] {
        let source = format!("{import}; export default () => new Response(String(used))");
        let named = format!("\\\"{name}\\\" cannot be imported");
        refused(
            &deploy(&source, quickjs.clone()).await,
            "invalid_bundle",
            &[&named, "function.ts", "runtime bun"],
        );
        let own = says("{ runtime: 'quickjs' }", &source);
        refused(&deploy(&own, json!({})).await, "invalid_bundle", &[&named]);
    }
    let bundled = json!({ "runtime": "quickjs", "bundled": true });
    let source = "import{cpus}from\"os\";export default()=>new Response(cpus())";
    refused(&deploy(source, bundled.clone()).await, "invalid_bundle", &["\\\"os\\\" cannot be imported"]);
    deploy("export default()=>new Response('as it is')", bundled).await.is(201);
    refused(&deploy("export default () => {", quickjs.clone()).await, "invalid_bundle", &["line"]);
    refused(
        &deploy("throw new Error('boom'); export default 1", quickjs.clone()).await,
        "invalid_bundle",
        &["boom"],
    );
    refused(&deploy("export const a = 1", quickjs.clone()).await, "invalid_bundle", &["no handler"]);
    refused(&deploy("eval('1'); export default () => 1", quickjs).await, "invalid_bundle", &["eval"]);
    assert_eq!(server.bundles(), 1);
    assert_eq!(who(&server, "f").await, "as it is");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_is_what_the_deployment_the_manifest_or_the_module_says() {
    let server = Server::start().await;
    let handlers = json!([{ "name": "default", "triggers": [{ "kind": "http" }] }]);
    let manifest = |more: Value| {
        let mut manifest = json!({ "version": 1, "handlers": handlers });
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "manifest": manifest })
    };
    for (name, source, more, runtime) in [
        ("plain", WHO.to_owned(), json!({}), "bun"),
        ("field", WHO.to_owned(), json!({ "runtime": "quickjs" }), "quickjs"),
        ("earlier", WHO.to_owned(), json!({ "runtime": "quickjs-ng" }), "quickjs"),
        (
            "manifest",
            WHO.to_owned(),
            manifest(json!({ "runtime": "quickjs", "capabilities": {} })),
            "quickjs",
        ),
        ("module", says("{ runtime: 'quickjs', name: 'who' }", WHO), json!({}), "quickjs"),
        ("other", says("{ runtime: 'bun' }", &format!("{WHO}; 'quickjs'")), json!({}), "bun"),
        ("mentions", format!("import 'node:fs'; export const note = 'not quickjs'; {WHO}"), json!({}), "bun"),
    ] {
        let deployed = server.deploy_with(name, &source, more).await.is(201).json();
        assert_eq!(
            (&deployed["runtime"], who(&server, name).await.as_str()),
            (&runtime.into(), runtime),
            "{name}"
        );
    }
    let quickjs = |more: Value| {
        let mut fields = more;
        fields["runtime"] = "quickjs".into();
        manifest(fields)
    };
    let cases = [
        (manifest(json!({ "capabilities": {} })), "capabilities"),
        (quickjs(json!({ "capabilities": { "allow_everything": true } })), "capabilities.allow_everything"),
        (quickjs(json!({ "capabilities": { "allow_filesystem": true } })), "capabilities.allow_filesystem"),
        (manifest(json!({ "settings": { "memory_limit_mb": 16 } })), "settings"),
    ];
    for (fields, place) in cases {
        let answer = server.deploy_with("f", WHO, fields).await;
        answer.is_error(400, "invalid_manifest");
        assert_eq!(answer.json()["error"]["details"]["place"], place, "{answer:?}");
    }
    // In Bun it would be fine: it is not tried there.
    let hides = says(
        "{ runtime: 'quickjs' }",
        &format!("if (typeof Bun === 'undefined') throw new Error('not here'); {WHO}"),
    );
    refused(&server.deploy("f", &hides).await, "invalid_bundle", &["not here"]);
    let own = says("{ runtime: 'quickjs', capabilities: { allow_child_process: true } }", WHO);
    refused(
        &server.deploy("f", &own).await,
        "invalid_manifest",
        &["capabilities.allow_child_process", "runtime bun"],
    );
    let apart = server.deploy_with("f", &own, json!({ "runtime": "bun" })).await;
    refused(&apart, "invalid_manifest", &["config.runtime"]);
    let split = says("{ runtime: 'quick' + (() => 'js')() }", "export default () => new Response()");
    refused(&server.deploy("f", &split).await, "invalid_manifest", &["config.runtime"]);
    let mut both = manifest(json!({ "runtime": "quickjs" }));
    both["runtime"] = "bun".into();
    refused(&server.deploy_with("f", WHO, both).await, "invalid_request", &["differ"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_both_runtimes_take_turns_in_one_function() {
    let server = Server::start().await;
    let version = |name: &str, runtime: &str| json!({ "version": name, "runtime": runtime });
    server.deploy_with("f", WHO, version("b", "bun")).await.is(201);
    server.deploy_with("f", WHO, version("q", "quickjs")).await.is(201);
    server.deploy_with("f", WHO, version("q", "bun")).await.is_error(409, "version_exists");
    assert_eq!(who(&server, "f").await, "quickjs");
    server.manage(Method::POST, "/f/rollback", Some(json!({}))).await.is(200);
    assert_eq!(
        (who(&server, "f").await.as_str(), &described(&server, "f").await["runtime"]),
        ("bun", &"bun".into())
    );
    server.manage(Method::PUT, "/f/aliases/small", Some(json!({ "version": "q" }))).await.is(200);
    assert_eq!(who(&server, "f@small").await, "quickjs");
    let shares = json!({ "versions": [{ "version": "b", "weight": 1 }, { "version": "q", "weight": 1 }] });
    server.manage(Method::PUT, "/f/traffic", Some(shares)).await.is(200);
    let server = server.restart().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        seen.insert(who(&server, "f").await);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["bun", "quickjs"]);
    let small = json!({ "memory_limit_mb": 16 });
    server.manage(Method::PATCH, "/f", Some(small.clone())).await.is_error(400, "invalid_request");
    server.manage(Method::POST, "/f/rollback", Some(json!({ "version": "q" }))).await.is(200);
    server.manage(Method::PATCH, "/f", Some(small)).await.is(200);
    let back = Some(json!({ "version": "b" }));
    server.manage(Method::POST, "/f/rollback", back).await.is_error(400, "invalid_request");
    assert_eq!(who(&server, "f").await, "quickjs");
    let listed = server.manage(Method::GET, "/f/versions", None).await.is(200).json();
    let runtimes: Vec<_> =
        listed["versions"].as_array().unwrap().iter().map(|version| &version["runtime"]).collect();
    assert_eq!(runtimes, ["quickjs", "bun"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_ends_in_the_version_that_it_began_in() {
    let server = Server::start().await;
    let source = |word: &str| {
        format!(
            "export default async () => {{ console.log('began'); await new Promise((done) => setTimeout(done, 1500)); return new Response('{word}'); }}"
        )
    };
    server.deploy_with("f", &source("old"), json!({ "runtime": "quickjs" })).await.is(201);
    let front = server.front.clone();
    let call = Call::get("/v1/functions/f").key("pk_a").build();
    let running = tokio::spawn(async move { Answer::of(front.call(call).await).await });
    line(&server, "level=info").await;
    server.deploy_with("f", &source("new"), json!({ "runtime": "bun" })).await.is(201);
    assert_eq!(who(&server, "f").await, "new");
    assert_eq!(running.await.unwrap().is(200).text(), "old");
    server.stop().await;
}

/// Answers every request with a word.
async fn web_server() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ninside";
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_reaches_what_is_declared_and_private_hosts_where_the_operator_names_them() {
    let private_hosts = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let server = Server::start_with(FunctionsConfig { private_hosts, ..config() }).await;
    let port = web_server().await;
    let source = |capabilities: &str| {
        says(
            &format!("{{ runtime: 'quickjs', capabilities: {capabilities} }}"),
            "export default async (req) => { try { return new Response(await (await fetch(await req.text())).text()) } catch (error) { return new Response(error.message) } }",
        )
    };
    let ask = async |server: &Server, host: &str| {
        let url = format!("http://{host}:{port}/");
        let answer = server.call(Call::post("/v1/functions/f", url.as_bytes()).key("pk_a")).await;
        answer.is(200).text().to_owned()
    };
    server.deploy("f", &source("{}")).await.is(201);
    assert!(ask(&server, "127.0.0.1").await.contains("allow_network"));
    server.deploy("f", &source("{ profile: 'permissive', allowed_domains: ['127.0.0.1'] }")).await.is(201);
    assert_eq!(ask(&server, "127.0.0.1").await, "inside");
    let elsewhere = ask(&server, "localhost").await;
    assert!(elsewhere.contains("outbound_refused") && elsewhere.contains("allowed hosts"), "{elsewhere}");
    server.deploy("f", &source("{ allow_network: true }")).await.is(201);
    assert_eq!(ask(&server, "localhost").await, "inside");
    let metadata = ask(&server, "169.254.169.254").await;
    assert!(metadata.contains("outbound_refused") && metadata.contains("not public"), "{metadata}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_brings_its_packages_for_browsers() {
    let server = Server::start().await;
    let package = r#"{ "name": "both", "exports": { "bun": "./bun.js", "browser": "./browser.js" } }"#;
    let packed = archive(&[
        (
            "index.ts",
            "import { kind } from 'both'; export const config = { runtime: 'quickjs' }; export default () => new Response(kind);",
        ),
        ("node_modules/both/package.json", package),
        ("node_modules/both/bun.js", "export const kind = 'for bun';"),
        ("node_modules/both/browser.js", "export const kind = 'for browsers';"),
    ]);
    super::archive::deploy(&server, &[("name", "f")], &packed).await.is(201);
    assert_eq!(who(&server, "f").await, "for browsers");
    let bundle = STANDARD.encode(WHO);
    let version = json!({ "bundle": bundle, "runtime": "quickjs" });
    let built = server.manage(Method::POST, "/f/versions", Some(version)).await.is(201).json();
    assert_eq!((&built["runtime"], &built["status"]), (&"quickjs".into(), &"built".into()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_documentation_shows_deploys() {
    let server = Server::start().await;
    let page = include_str!("../../../../../docs/functions/quickjs.md");
    let blocks = |language: &str| -> Vec<&str> {
        let fence = format!("```{language}\n");
        page.split(fence.as_str()).skip(1).map(|part| part.split("```").next().unwrap()).collect()
    };
    let (typed, plain) = (blocks("ts"), blocks("js"));
    assert!(typed.len() == 1 && plain.len() == 3);
    server.deploy("typed", typed[0]).await.is(201);
    for module in plain {
        let env = Some(json!({ "value": "secret" }));
        server.of_project(Method::PUT, "/env/HOOK_SECRET", env).await.is(200);
        server.deploy_with("plain", module, json!({ "runtime": "quickjs" })).await.is(201);
    }
    let capabilities: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    let handlers = json!([{ "name": "default", "triggers": [{ "kind": "http" }] }]);
    let manifest =
        json!({ "version": 1, "runtime": "quickjs", "capabilities": capabilities, "handlers": handlers });
    server.deploy_with("shown", WHO, json!({ "manifest": manifest })).await.is(201);
    server.stop().await;
}
