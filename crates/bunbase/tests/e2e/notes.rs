//! `examples/notes` and `examples/hello` as their READMEs show them: login, organisation, upload, signed webhook, job,
//! event and tools, from outside.

use crate::application::Browser;
use crate::dev::{Dev, save};
use crate::server::repository;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a job or an event may take.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);
const ENVIRONMENT: &str =
    "SESSION_SECRET=of-32-characters-or-more-and-only-yours\nGITHUB_WEBHOOK_SECRET=what-github-was-told\n";
const ISSUE: &str = r#"{"action":"opened","issue":{"html_url":"https://github.test/1","title":"It stands still","body":null},"repository":{"full_name":"ada/engine"}}"#;
/// HMAC-SHA-256 of it under that secret, made with `openssl dgst`.
const SIGNATURE: &str = "sha256=6f389ae3bbde87b0255e9e7a1037ed83cccf9bf9725567d1cb893f660c4ffc28";

/// A copy of an example: what runs there writes beside it.
fn example(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let repository = repository().canonicalize().unwrap();
    copy(&repository.join("examples").join(name), &directory.path().join(name));
    std::os::unix::fs::symlink(
        repository.join("node_modules"),
        directory.path().join(name).join("node_modules"),
    )
    .unwrap();
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_file() {
            fs::copy(&path, to.join(&name)).unwrap();
        } else if name != ".bunbase" && name != "node_modules" {
            copy(&path, &to.join(&name));
        }
    }
}

/// Whoever has this cookie, in this organisation.
fn request(ada: &Browser<'_>, org: &str, method: Method, path: &str) -> RequestBuilder {
    let request = ada.dev.http.request(method, format!("{}{path}", ada.dev.url));
    request.header("cookie", &ada.cookie).header("x-org-id", org)
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

/// Asks until the data of the answer are as they are to be.
async fn comes_to_say(ada: &mut Browser<'_>, path: &str, is_meant: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let (_, said) = ada.get(path).await;
        if is_meant(&said["data"]) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{path} still says {said}");
        tokio::time::sleep(POLL).await;
    }
}

async fn signed_up(dev: &Dev, email: &str) -> (String, Value) {
    let mut browser = Browser { dev, cookie: String::new() };
    let account = json!({ "email": email, "password": "correct horse" });
    let (status, user) = browser.post("/api/auth/signup", account).await;
    assert_eq!(status, StatusCode::CREATED, "{user}");
    (browser.cookie, user)
}

/// Adds a member and takes a note away again; answers the id of one that stays.
async fn members_write_and_owners_delete(ada: &mut Browser<'_>, eve: &mut Browser<'_>, org: &str) -> String {
    let notes = format!("/api/notes?orgId={org}");
    assert_eq!(eve.get(&notes).await.0, StatusCode::FORBIDDEN);
    let invited = json!({ "email": "eve@example.com" });
    let (status, added) = ada.post(&format!("/api/orgs/members?orgId={org}"), invited).await;
    assert_eq!((status, &added["data"]["role"]), (StatusCode::OK, &json!("member")));
    // Memberships are remembered for some seconds, refusals are not.
    let (status, note) = eve.post(&notes, json!({ "title": "Tea" })).await;
    assert_eq!(status, StatusCode::CREATED, "{note}");
    let note = format!("/api/notes/{}", note["data"]["id"].as_str().unwrap());
    let (status, refused) = answer(request(eve, org, Method::DELETE, &note)).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    assert_eq!(answer(request(ada, org, Method::DELETE, &note)).await.0, StatusCode::NO_CONTENT);
    let (_, kept) = ada.post(&notes, json!({ "title": "Plans" })).await;
    kept["data"]["id"].as_str().unwrap().to_owned()
}

async fn a_file_comes_back(ada: &Browser<'_>, org: &str, note: &str) {
    let files = format!("/api/notes/{note}/files");
    let form = |name: &'static str| Form::new().part("file", Part::text("first draft").file_name(name));
    let upload = |name| answer(request(ada, org, Method::POST, &files).multipart(form(name)));
    assert_eq!(
        upload("plan.txt").await,
        (StatusCode::OK, json!({ "data": { "name": "plan.txt", "size": 11 } }))
    );
    assert_eq!(upload("../plan.txt").await.0, StatusCode::BAD_REQUEST);
    let file = request(ada, org, Method::GET, &format!("{files}/plan.txt")).send().await.unwrap();
    assert_eq!(file.headers()["content-disposition"], "attachment");
    assert_eq!(file.text().await.unwrap(), "first draft");
}

async fn an_issue_becomes_a_note(ada: &mut Browser<'_>, org: &str) {
    let link = json!({ "repository": "ada/engine" });
    assert_eq!(ada.post(&format!("/api/repositories?orgId={org}"), link).await.0, StatusCode::OK);
    let http = ada.dev.http.clone();
    let address = format!("{}/hooks/github", ada.dev.url);
    let send = |signature: &'static str| {
        let request = http.post(&address).header("x-github-event", "issues").body(ISSUE);
        let request = request.header("content-type", "application/json");
        answer(request.header("x-hub-signature-256", signature))
    };
    let (status, refused) = send("sha256=00").await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("invalid_signature")));
    // GitHub sends an event again where it got no answer: the note is written once.
    for _ in 0..2 {
        assert_eq!(send(SIGNATURE).await, (StatusCode::OK, json!({ "data": { "queued": true } })));
    }
    let is_once = |notes: &Value| {
        notes
            .as_array()
            .is_some_and(|notes| notes.iter().filter(|note| note["title"] == "It stands still").count() == 1)
    };
    comes_to_say(ada, &format!("/api/notes?orgId={org}"), is_once).await;
    // Tea, Plans, and the issue.
    let stats = format!("/api/notes/stats?orgId={org}");
    comes_to_say(ada, &stats, |data| data["written"] == 3).await;
}

async fn tools_are_listed_and_called(ada: &mut Browser<'_>, org: &str) {
    let rpc = |cookie: &str, method: &str, parameters: Value| {
        let request = ada.dev.http.post(format!("{}/_mcp", ada.dev.url));
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("cookie", cookie).header("x-org-id", org);
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        answer(request.json(&message))
    };
    let (_, listed) = rpc("", "tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["create_note", "list_notes"]);
    let call =
        json!({ "name": "create_note", "arguments": { "title": "From an agent", "body": "of the house" } });
    let (_, refused) = rpc("", "tools/call", call.clone()).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    let (_, called) = rpc(&ada.cookie, "tools/call", call).await;
    assert_eq!(called["result"]["isError"], false, "{called}");
    let id = called["result"]["structuredContent"]["id"].clone();
    let (_, found) = ada.get(&format!("/api/notes?orgId={org}&search=agent")).await;
    assert_eq!(found["data"], json!([{ "id": id, "title": "From an agent", "body": "of the house" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notes_example_does_what_its_readme_says() {
    let directory = example("notes");
    let root = directory.path().join("notes");
    save(&root, ".env", ENVIRONMENT);
    let mut dev = Dev::start(&root).await;
    dev.of("live", "notes").await;
    let (cookie, user) = signed_up(&dev, "ada@example.com").await;
    let mut ada = Browser { dev: &dev, cookie };
    let (_, me) = ada.get("/api/auth/me").await;
    assert_eq!(me["data"]["id"], user["data"]["id"]);
    let wrong = json!({ "email": "ada@example.com", "password": "wrong horse" });
    assert_eq!(ada.post("/api/auth/login", wrong).await.0, StatusCode::UNAUTHORIZED);
    let (cookie, _) = signed_up(&dev, "eve@example.com").await;
    let mut eve = Browser { dev: &dev, cookie };

    let engine = json!({ "name": "Engine", "slug": "engine" });
    let (status, org) = ada.post("/api/orgs", engine.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{org}");
    assert_eq!(ada.post("/api/orgs", engine).await.0, StatusCode::CONFLICT);
    let org = org["data"]["id"].as_str().unwrap();
    let note = members_write_and_owners_delete(&mut ada, &mut eve, org).await;
    a_file_comes_back(&ada, org, &note).await;
    an_issue_becomes_a_note(&mut ada, org).await;
    tools_are_listed_and_called(&mut ada, org).await;
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hello_example_greets() {
    let directory = example("hello");
    let mut dev = Dev::start(&directory.path().join("hello")).await;
    dev.of("live", "hello").await;
    let mut nobody = Browser { dev: &dev, cookie: String::new() };
    let hello = |message: &str| (StatusCode::OK, json!({ "data": { "message": message } }));
    assert_eq!(nobody.get("/api/hello").await, hello("Hello, world"));
    assert_eq!(nobody.post("/api/greet", json!({ "name": "Ada" })).await, hello("Hello, Ada"));
    assert_eq!(nobody.get("/api/greet/Ada?times=2").await, hello("Hello, Ada! Hello, Ada"));
    let (status, invalid) = nobody.post("/api/greet", json!({ "name": "" })).await;
    assert_eq!((status, &invalid["error"]["details"][0]["path"]), (StatusCode::BAD_REQUEST, &json!("/name")));
    assert!(dev.stop().await.success());
}
