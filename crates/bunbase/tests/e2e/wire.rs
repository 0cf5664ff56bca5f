//! What an application answers besides its actions: its OpenAPI document, which says what is on the wire, the page that
//! shows it, its tools, and what browsers and caches ask for.

use crate::application::{Browser, application, run};
use crate::commands::bun;
use crate::dev::{Dev, save};
use crate::server::repository;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

/// Inputs from everywhere, and answers of each kind.
const SHAPES: &str = r#"
    import { action, guards, http, NotFound, t, triggers } from "bunbase";

    export const everywhere = action({
        name: "everywhere",
        input: t.Object({
            id: http.Path(t.String()), page: http.Query(t.Integer({ minimum: 1, default: 1 })),
            token: http.Header(t.String(), "x-token"), theme: http.Cookie(t.Optional(t.String()), "theme"),
            title: t.String({ minLength: 1 }), tags: t.Array(t.String()), kind: t.Union([t.Literal("a"), t.Literal("b")]),
        }),
        output: t.Object({
            id: t.String(), page: t.Integer(), kind: t.String(), total: http.Header(t.Integer(), "x-total"),
        }),
        triggers: [triggers.api("POST", "/api/shapes/:id")],
    }, async (input) => ({ id: input.id, page: input.page, kind: input.kind, total: input.tags.length }));

    const file = t.Object({ filename: t.String(), contentType: t.String(), size: t.Integer(), data: t.Uint8Array() });
    export const uploaded = action({
        name: "uploaded", input: t.Object({ caption: t.String(), file, more: t.Optional(t.Array(file)) }),
        output: t.Object({ caption: t.String(), bytes: t.Integer() }),
        triggers: [triggers.api("POST", "/api/uploads")],
    }, async ({ caption, file, more = [] }) => ({ caption, bytes: [file, ...more].reduce((sum, { size }) => sum + size, 0) }));

    export const created = action({
        name: "created", input: t.Object({ name: t.String() }), output: t.Object({ id: t.String() }),
        triggers: [triggers.api("PUT", "/api/created")],
    }, async (_input, ctx) => ctx.withMeta({ id: "1" }, { http: { status: 201 } }));

    export const closed = action({
        name: "closed", input: t.Object({}), output: t.Object({}),
        guards: [guards.hasRole("nobody")],
        triggers: [triggers.api("PATCH", "/api/closed")],
    }, async () => ({}));

    export const missing = action({
        name: "missing", input: t.Object({ id: t.String() }), output: t.Object({}),
        triggers: [triggers.api("DELETE", "/api/missing/:id")],
    }, async () => { throw new NotFound("there is none"); });

    export const large = action({
        name: "large", input: t.Object({ size: t.Integer({ maximum: 100_000, default: 5_000 }) }),
        output: t.Object({ text: t.String() }),
        triggers: [triggers.api("GET", "/api/large"), triggers.tool({ name: "large", description: "A long text" })],
    }, async (input) => ({ text: "x".repeat(input.size) }));
"#;

const MODULE: &str = r#"
    import { module } from "bunbase";
    import * as actions from "./actions";
    export default module({ name: "shapes", actions: Object.values(actions) });
"#;

async fn serving(settings: &str) -> (tempfile::TempDir, Dev) {
    let directory = application();
    let root = directory.path().join("notes");
    let config = std::fs::read_to_string(root.join("bunbase.config.ts")).unwrap();
    save(&root, "bunbase.config.ts", &config.replacen("port: 3000,", &format!("port: 3000, {settings}"), 1));
    save(&root, "src/shapes/actions.ts", SHAPES);
    save(&root, "src/shapes/_module.ts", MODULE);
    let mut dev = Dev::start(&root).await;
    dev.of("live", "notes").await;
    (directory, dev)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_is_on_the_wire() {
    let (directory, dev) = serving("").await;
    let mut ada = Browser { dev: &dev, cookie: String::new() };
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    assert_eq!(ada.post("/api/auth/signup", account).await.0, StatusCode::OK);
    let output = Command::new(bun())
        .arg(repository().join("crates/bunbase/tests/e2e/wire.ts"))
        .args([dev.url.as_str(), "/api/openapi.json"])
        .env("COOKIE", &ada.cookie)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["problems"], json!([]), "{seen:#}");
    let mut operations: Vec<_> =
        seen["operations"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    operations.sort_unstable();
    let routes = run(&directory.path().join("notes"), &["routes"]);
    let mut known: Vec<_> = routes["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| format!("{} {}", route["trigger"].as_str().unwrap(), route["subject"].as_str().unwrap()))
        .filter(|route| route.contains(" /"))
        .map(|route| route.replace(":id", "{id}"))
        .collect();
    known.sort_unstable();
    assert_eq!(operations, known);
    for status in ["200", "201", "400", "401", "403", "404"] {
        assert!(seen["statuses"][status].as_u64() > Some(0), "{status} was never answered: {seen:#}");
    }
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_and_caches_get_what_they_ask_for() {
    let (_directory, dev) = serving("cors: { origin: [\"https://friend.test\"] },").await;
    let ask = |method: Method, path: &str| {
        dev.http.request(method, format!("{}{path}", dev.url)).header("origin", "https://friend.test")
    };
    let preflight = ask(Method::OPTIONS, "/api/notes").header("access-control-request-method", "POST");
    let allowed = preflight.send().await.unwrap();
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://friend.test");
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    // Who is refused is told so, and the page may read it.
    let refused = ask(Method::POST, "/api/notes").body("{}").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://friend.test");
    let stranger = dev.http.get(format!("{}/api/health", dev.url)).header("origin", "https://evil.test");
    assert!(!stranger.send().await.unwrap().headers().contains_key("access-control-allow-origin"));

    let first = ask(Method::GET, "/api/large").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(first.headers()["content-encoding"], "gzip");
    let tag = first.headers()["etag"].clone();
    assert!(first.bytes().await.unwrap().len() < 1_000);
    let again = ask(Method::GET, "/api/large").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.bytes().await.unwrap().len(), 0);
    let head = ask(Method::HEAD, "/api/large").send().await.unwrap();
    assert_eq!((head.status(), &head.headers()["etag"]), (StatusCode::OK, &tag));
    assert_eq!(head.headers()["content-length"], "5020");

    let docs = ask(Method::GET, "/api/docs").send().await.unwrap();
    assert!(docs.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = docs.text().await.unwrap();
    assert!(page.contains("data-document=\"/api/openapi.json\""), "{page}");
    assert!(!page.contains("src=") && !page.contains("url("), "it loads nothing from elsewhere");
    let wrong = ask(Method::POST, "/api/openapi.json").send().await.unwrap();
    assert_eq!(
        (wrong.status(), &wrong.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_of_an_application_are_at_a_path_of_its_own() {
    let (_directory, dev) = serving("mcp: true,").await;
    let ask = async |method: &str, params: Value| {
        let request = dev
            .http
            .post(format!("{}/_mcp", dev.url))
            .header("accept", "application/json, text/event-stream")
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()["result"].take()
    };
    let listed = ask("tools/list", json!({})).await;
    let names: Vec<_> = listed["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert!(names.contains(&&json!("large")), "{listed}");
    let called = ask("tools/call", json!({ "name": "large", "arguments": { "size": 3 } })).await;
    assert_eq!(called["structuredContent"], json!({ "text": "xxx" }));
    let wrong = ask("tools/call", json!({ "name": "large", "arguments": { "size": "a" } })).await;
    assert_eq!(wrong["isError"], true);
    assert!(wrong["content"][0]["text"].as_str().unwrap().starts_with("invalid_input"), "{wrong}");
    assert!(dev.stop().await.success());
}
