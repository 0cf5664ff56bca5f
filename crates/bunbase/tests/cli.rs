//! The real binary in a home of its own, against a small server that plays the wire.

#![allow(clippy::unwrap_used)]

#[path = "cli/wire.rs"]
mod wire;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use wire::{Home, Wire};

const PROJECT: &str = "prj_0123456789abcdef0123456789abcdef";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn login_keeps_the_session_private_and_uses_it() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    let done =
        home.run(&["login", "--email", "ada@example.com", "--password-stdin", "--json"], "hunter 22\n");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.json()["user"]["email"], "ada@example.com");
    assert!(!done.stdout.contains("tok_1") && !done.stderr.contains("tok_1"));
    let file = home.path().join(".bunbase/cli_config.json");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(wire.asked("/v1/auth/login")[0].body["password"], "hunter 22");

    let done = home.run(&["whoami"], "");
    assert!(done.stdout.contains("ada@example.com"), "{}", done.stdout);
    assert_eq!(wire.asked("/v1/auth/me")[0].cookie.as_deref(), Some("session_token=tok_1"));

    assert_eq!(home.run(&["logout"], "").code, 0);
    let done = home.run(&["whoami"], "");
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("bunbase login"), "{}", done.stderr);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("tok_1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_project_is_in_use_and_its_keys_are_shown_once() {
    let wire = Wire::start().await;
    let home = Home::signed_in(&wire);
    let done = home.run(&["projects", "create", "Shop", "--json"], "");
    assert_eq!(done.json()["secret_key"], "sk_secret");
    let list = home.run(&["projects", "list", "--json"], "").json();
    assert_eq!(list["active"], PROJECT);
    assert_eq!(list["projects"].as_array().unwrap().len(), 2);
    let kept = std::fs::read_to_string(home.path().join(".bunbase/cli_config.json")).unwrap();
    assert!(!kept.contains("sk_secret"));
    assert_eq!(home.run(&["projects", "delete", "shop"], "").code, 2);
    assert_eq!(home.run(&["projects", "delete", "shop", "--yes"], "").code, 0);
    assert_eq!(wire.asked(&format!("/v1/projects/{PROJECT}")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_what_to_do_next_and_have_their_exit_codes() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    let done = home.run(&["login", "--email", "ada@example.com", "--password-stdin"], "wrong\n");
    assert_eq!(done.code, 1);
    for part in ["invalid_credentials", "req_7", "next:"] {
        assert!(done.stderr.contains(part), "{part} in {}", done.stderr);
    }
    assert!(done.stdout.is_empty());
    assert_eq!(home.run(&["login", "--email", "a@b.c", "--password", "x"], "").code, 2);
    assert_eq!(home.run(&["login", "--email", "a@b.c"], "").code, 2);
    let done = home.run(&["whoami", "--url", "http://127.0.0.1:1"], "");
    assert!(done.stderr.contains("bunbase login"), "{}", done.stderr);
    let done = home.run(&["setup", "--url", "http://127.0.0.1:1"], "");
    assert!(done.code == 1 && done.stderr.contains("bunbase serve"), "{}", done.stderr);
    let done = home.run(&["whoami", "--json"], "");
    let error: Value = serde_json::from_str(&done.stderr).unwrap();
    assert!(error["error"]["next"].as_str().unwrap().contains("bunbase login"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_functions_is_bundled_and_deployed_with_a_key() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    home.write("app/functions/hello.ts", "export default (): Response => new Response('hi' as string);");
    home.write("app/functions/hello.test.ts", "throw new Error('a test is no function');");
    home.write("app/functions/world/index.ts", "export { default } from '../hello.ts';");
    let done = home.with_key(&["fn", "deploy", "app", "--json", "--project", PROJECT, "--access", "public"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("[2/2]"), "{}", done.stderr);
    let names: Vec<_> = wire.asked(&format!("/v1/projects/{PROJECT}/functions"));
    assert_eq!(names.len(), 2);
    assert_eq!(names[0].key.as_deref(), Some("sk_ci"));
    assert_eq!((&names[0].body["name"], &names[1].body["name"]), (&json!("hello"), &json!("world")));
    assert_eq!(names[0].body["bundled"], true);
    assert_eq!(names[0].body["settings"], json!({"access": "public"}));
    assert_eq!(done.json()["deployed"][0]["version"], "v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_answer_is_printed_as_it_is() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    let done = home.with_key(&["functions", "invoke", "hello", "/a?b=1", "-d", "{\"x\":1}"]);
    assert_eq!(done.stdout, "POST /v1/functions/hello/a?b=1 {\"x\":1}");
    let done = home.with_key(&["functions", "invoke", "broken", "--json"]);
    assert_eq!((done.code, &done.json()["status"], &done.json()["body"]), (1, &json!(418), &json!("teapot")));
    assert_eq!(home.with_key(&["functions", "invoke", ".."]).code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_logs_come_once_each() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    let mut command = home.command(&["functions", "logs", "hello", "-f", "--json", "--project", PROJECT]);
    let mut child = command.env("BUNBASE_KEY", "sk_ci").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(3);
    let messages: Vec<Value> =
        lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["message"].clone()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(messages, [json!("line 1"), json!("line 2"), json!("line 3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_sends_batches_and_names_the_line_that_was_refused() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    let lines: String = (0..1201).map(|n| format!("{{\"_id\":\"d{n}\",\"n\":{n}}}\n")).collect();
    home.write("good.jsonl", &lines);
    let done = home.with_key(&["db", "import", "places", "good.jsonl", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.json()["imported"], 1201);
    let sizes: Vec<_> = wire.asked("/v1/database/batch").iter().map(|asked| asked.operations()).collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (3, 1201));

    home.write("bad.json", "[\n{\"_id\": \"a\"},\n{\"_id\": \"taken\"}\n]");
    let done = home.with_key(&["db", "import", "places", "bad.json"]);
    assert_eq!(done.code, 1);
    for part in ["bad.json at line 3", "document_exists", "--skip 0", "--upsert"] {
        assert!(done.stderr.contains(part), "{part} in {}", done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_goes_through_every_page_one_document_a_line() {
    let wire = Wire::start().await;
    let home = Home::new(&wire);
    let done = home.with_key(&["db", "query", "a/b", "{\"n\":1}", "--sort", "-n", "--all"]);
    assert_eq!(done.stdout, "{\"_id\":\"1\"}\n{\"_id\":\"2\"}\n", "{}", done.stderr);
    let asked = wire.asked("/v1/database/collections/a%2Fb/documents/query");
    assert_eq!(asked[0].body["sort"], json!([{"path": "n", "order": -1}]));
    assert_eq!(asked[1].body["cursor"], "next");
    assert_eq!(home.with_key(&["db", "query", "c", "{n:1}"]).code, 2);
}
