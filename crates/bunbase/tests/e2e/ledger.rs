//! A small application of actions, `ledger`, that is deployed to a server: its table comes of a migration, and what is
//! written is read back. Its migrations go live with its versions.

use crate::client::{Client, Project};
use crate::commands::bun;
use crate::dev::{Dev, save};
use crate::server::{Data, Server, repository};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

const PUT: &str = r#"
import { action, t, triggers } from "bunbase";
export default action(
  { name: "put", input: t.Object({ id: t.String() }), output: t.Object({}), triggers: [triggers.api("POST", "/api/entries")] },
  async ({ id }, ctx) => { await ctx.db.sql`INSERT INTO entries (id) VALUES (${id})`; return {}; },
);"#;
const ALL: &str = r#"
import { action, t, triggers } from "bunbase";
export default action(
  { name: "all", input: t.Object({}), output: t.Array(t.Any()), triggers: [triggers.api("GET", "/api/entries")] },
  async (_input, ctx) => await ctx.db.sql`SELECT * FROM entries ORDER BY id`,
);"#;

/// Its files.
pub(crate) fn ledger() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("package.json", r#"{ "name": "ledger", "type": "module" }"#),
        ("bunbase.config.ts", "export default {};"),
        ("migrations/001_entries.sql", "CREATE TABLE entries (id TEXT PRIMARY KEY);"),
        ("migrations/001_entries.down.sql", "DROP TABLE entries;"),
        ("src/put.ts", PUT),
        ("src/all.ts", ALL),
    ] {
        save(directory.path(), path, text);
    }
    let packages = repository().join("node_modules").canonicalize().unwrap();
    std::os::unix::fs::symlink(packages, directory.path().join("node_modules")).unwrap();
    directory
}

/// Runs `bunbase` in its directory, with the project's secret key.
pub(crate) fn run(server: &Server, project: &Project, root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bunbase"))
        .args(arguments)
        .current_dir(root)
        .env("HOME", root)
        .env("BUNBASE_URL", &server.url)
        .env("BUNBASE_BUN_PATH", bun())
        .env("BUNBASE_KEY", &project.secret_key)
        .env("BUNBASE_PROJECT", &project.id)
        .output()
        .unwrap()
}

#[track_caller]
pub(crate) fn done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn entries(project: &Project) -> String {
    format!("/v1/apps/{}/api/entries", project.id)
}

async fn all(nobody: &Client, project: &Project) -> Value {
    nobody.get(&entries(project)).await.expect(200)["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_live_with_their_version_and_one_that_fails_refuses_it() {
    let (data, directory) = (Data::new(), ledger());
    let (server, root) = (Server::start(&data).await, directory.path());
    let ada = server.client().set_up().await;
    let project = ada.project("books").await;
    let nobody = server.client();
    let deployed = run(&server, &project, root, &["deploy"]);
    done(&deployed);
    let (said, address) = (String::from_utf8_lossy(&deployed.stdout), entries(&project));
    assert!(said.contains(address.trim_end_matches("/api/entries")), "{said}");
    nobody.post(&entries(&project), json!({ "id": "a" })).await.expect(200);
    assert_eq!(all(&nobody, &project).await, json!([{ "id": "a" }]));
    let shown = ada.get(&format!("/v1/projects/{}/functions/ledger", project.id)).await.expect(200);
    assert!(!shown.to_string().contains("CREATE TABLE"), "{shown}");

    let broken = "ALTER TABLE entries ADD COLUMN note TEXT; INSERT INTO missing VALUES (1);";
    save(root, "migrations/002_note.sql", broken);
    let refused = run(&server, &project, root, &["deploy"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("002_note.sql") && said.contains("missing"), "{said}");
    nobody.post(&entries(&project), json!({ "id": "b" })).await.expect(200);
    assert_eq!(all(&nobody, &project).await, json!([{ "id": "a" }, { "id": "b" }]));

    // A version that is only built changes no table.
    save(
        root,
        "migrations/002_note.sql",
        "ALTER TABLE entries ADD COLUMN note TEXT NOT NULL DEFAULT 'none';",
    );
    done(&run(&server, &project, root, &["deploy", "--no-promote", "--version", "second"]));
    assert_eq!(all(&nobody, &project).await[0], json!({ "id": "a" }));
    done(&run(&server, &project, root, &["functions", "promote", "ledger", "second"]));
    assert_eq!(all(&nobody, &project).await[0], json!({ "id": "a", "note": "none" }));

    // The version before runs on the tables as they are.
    done(&run(&server, &project, root, &["functions", "rollback", "ledger"]));
    nobody.post(&entries(&project), json!({ "id": "c" })).await.expect(200);
    assert_eq!(all(&nobody, &project).await[2], json!({ "id": "c", "note": "none" }));
    server.stop().await;
}

const MAIL: &str = r#"
import { action, t, triggers } from "bunbase";
export default action(
  { name: "mail", input: t.Object({}), output: t.Object({}), triggers: [triggers.api("POST", "/api/mail")] },
  async (_input, ctx) => {
    const attachments = [{ filename: "a.txt", content: "Hello" }];
    await ctx.mailer.send({ to: "ada@example.com", cc: ["bob@example.com"], subject: "Your invoice", html: "<p>Hi</p>", attachments });
    return {};
  },
);"#;

#[tokio::test(flavor = "multi_thread")]
async fn mail_of_an_action_is_kept_in_dev_and_refused_where_there_is_no_mail_server() {
    let directory = ledger();
    let root = directory.path();
    save(root, "src/mail.ts", MAIL);
    let mut dev = Dev::start(root).await;
    dev.of("live", "ledger").await;
    let sent = dev.http.post(format!("{}/api/mail", dev.url)).json(&json!({})).send().await.unwrap();
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    dev.event(|event| event["message"].as_str().is_some_and(|line| line.contains("Your invoice"))).await;
    let kept = format!("{}/v1/instance/mail", dev.url);
    let listed = async {
        loop {
            let listed: Value = dev.http.get(&kept).send().await.unwrap().json().await.unwrap();
            if listed["messages"][0].is_object() {
                return listed;
            }
        }
    };
    let listed = tokio::time::timeout(Duration::from_secs(30), listed).await.expect("the mail is kept");
    let one = format!("{kept}/{}", listed["messages"][0]["id"].as_str().unwrap());
    let mail: Value = dev.http.get(one).send().await.unwrap().json().await.unwrap();
    let expected = json!([["bob@example.com"], ["a.txt"], "<p>Hi</p>"]);
    assert_eq!(json!([mail["copies"], mail["attachments"], mail["html"]]), expected);
    assert!(dev.stop().await.success());

    let data = Data::new();
    let server = Server::start(&data).await;
    let project = server.client().set_up().await.project("books").await;
    done(&run(&server, &project, root, &["deploy"]));
    let refused = server.client().post(&format!("/v1/apps/{}/api/mail", project.id), json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "unavailable"), "{}", refused.body);
    assert!(refused.body.to_string().contains("mail.smtp_url"), "{}", refused.body);
    server.stop().await;
}
