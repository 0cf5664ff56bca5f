//! Large bundles: with bytecode where it can be had, without it where not, and the same answers either way.

use crate::support::Server;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A function that says what kind of module it runs as; larger than what gets bytecode.
fn large(before: &str, answer: &str) -> String {
    let filler = "x".repeat(300 << 10);
    format!(
        "{before}
        globalThis.filler = {filler:?};
        export function fetch() {{ return new Response(\"not the default\") }}
        export default () => Response.json({{ answer: {answer}, stack: new Error(\"here\").stack, exports: eval(\"typeof exports\") }})"
    )
}

/// What it answered, and whether from bytecode.
async fn ask(server: &Server) -> (serde_json::Value, bool) {
    let answer = server.get("/v1/functions/f").await.is(200).json();
    (answer["answer"].clone(), answer["exports"] == "object")
}

/// The only directory of bytecode.
fn bytecode(server: &Server) -> PathBuf {
    let versions = entries(&server.bundles_directory()).into_iter().flat_map(|function| entries(&function));
    let found: Vec<_> = versions
        .flat_map(|version| entries(&version))
        .filter(|entry| entry.file_name().unwrap().to_string_lossy().starts_with("bytecode-"))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_bundle_answers_from_bytecode_also_after_a_restart() {
    for bundled in [false, true] {
        let server = Server::start().await;
        let before = "var load = import.meta.require; const name = load(\"node:path\").basename(\"/a/b\");
            function own() { return this === undefined }";
        let source = large(before, "[name, own()]");
        server.deploy_with("f", &source, json!({ "bundled": bundled })).await.is(201);
        assert_eq!(ask(&server).await, (json!(["b", true]), true));
        let server = server.restart().await;
        assert_eq!(ask(&server).await, (json!(["b", true]), true));
        let stack = server.get("/v1/functions/f").await.is(200).json()["stack"].to_string();
        let place = if bundled { "bundle.cjs:" } else { "function.ts:5:" };
        assert!(stack.contains(place), "{stack}");
        server.manage(http::Method::DELETE, "/f", None).await.is(204);
        server.stop().await;
        assert_eq!(server.bundles(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_cannot_have_bytecode_answers_without() {
    let cases = [
        ("const value = await Promise.resolve(1);", "value", json!(1)),
        ("const name = import.meta.url.split(\"/\").at(-1);", "name", json!("bundle.js")),
    ];
    for (before, answer, expected) in cases {
        let server = Server::start().await;
        server.deploy_with("f", &large(before, answer), json!({ "bundled": true })).await.is(201);
        assert_eq!(ask(&server).await, (expected.clone(), false), "{before}");
        assert!(entries(&bytecode(&server)).is_empty(), "{before}");
        let server = server.restart().await;
        assert_eq!(ask(&server).await, (expected, false), "{before}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytecode_of_another_bun_is_not_loaded_and_is_replaced() {
    let server = Server::start().await;
    server.deploy("f", &large("", "\"right\"")).await.is(201);
    let own = bytecode(&server);
    let other = own.with_file_name("bytecode-0.0.1");
    std::fs::rename(&own, &other).unwrap();
    std::fs::write(other.join("bundle.cjs"), "exports.default = () => new Response('wrong')").unwrap();
    let server = server.restart().await;
    assert_eq!(ask(&server).await.0, "right");
    let replaced = async {
        while !own.join("bundle.cjs.jsc").is_file() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, replaced).await.expect("no bytecode for this Bun");
    assert!(!other.exists());
    let server = server.restart().await;
    assert_eq!(ask(&server).await, (json!("right"), true));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_bundle_stays_as_it_is() {
    let server = Server::start().await;
    server.deploy("f", "export default () => new Response(new Error('here').stack)").await.is(201);
    assert!(server.get("/v1/functions/f").await.is(200).text().contains("function.ts:1:"));
    let versions = entries(&server.bundles_directory()).into_iter().flat_map(|function| entries(&function));
    let files: Vec<_> = versions.flat_map(|version| entries(&version)).collect();
    let names: BTreeSet<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["bundle.js", "bundle.js.map"]));
    server.stop().await;
}
