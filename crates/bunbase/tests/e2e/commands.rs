//! The commands about people, keys, secrets, values, objects, events and the audit log, typed at a real
//! server by somebody who reads only what is printed.

use crate::client::PASSWORD;
use crate::server::{Data, Server};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Somebody's shell: a home of their own, one server.
pub(crate) struct Shell<'a> {
    pub(crate) home: &'a Path,
    pub(crate) url: &'a str,
}

impl Shell<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bunbase"));
        command
            .args(arguments)
            .current_dir(self.home)
            .env("HOME", self.home)
            .env("BUNBASE_URL", self.url)
            .env("BUNBASE_BUN_PATH", bun())
            .env_remove("BUNBASE_KEY")
            .env_remove("BUNBASE_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command with something on standard input.
    pub(crate) fn fed(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What the command printed; it has to succeed.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let done = self.fed(arguments, "");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{arguments:?}: {out}{err}");
        out.trim_end().to_owned()
    }

    /// The command's answer for scripts.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        serde_json::from_str(&self.says(&with_json)).unwrap()
    }
}

/// The Bun of this repository: the shell stands elsewhere.
pub(crate) fn bun() -> std::path::PathBuf {
    let named = std::env::var_os("BUNBASE_BUN_PATH").map(std::path::PathBuf::from);
    worker_pool::BunBinary::find(named.as_deref(), &[]).unwrap().path().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_of_commands_does_what_it_says() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let home = tempfile::tempdir().unwrap();
    let shell = Shell { home: home.path(), url: &server.url };
    let setup = ["setup", "--email", "ada@example.com", "--name", "Ada", "--password-stdin"];
    assert!(shell.fed(&setup, PASSWORD).status.success());
    let project = shell.json(&["projects", "create", "shop"]);
    keys_and_tokens(&shell, text(&project["project"]["id"]));
    members(&shell, &server);
    secrets(&shell);
    values_and_objects(&shell);
    documents(&shell);
    functions(&shell);
    end_users(&shell);
    let published = shell.json(&["events", "publish", "orders.paid", "{\"id\": 1}"]);
    assert!(published["offset"].is_null());
    let audit = shell.says(&["audit"]);
    assert!(audit.contains("ada@example.com") || audit.contains("Ada"), "{audit}");
    let exported = shell.says(&["audit", "--export"]);
    for line in exported.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    for kind in ["bash", "zsh", "fish"] {
        assert!(shell.says(&["completions", kind]).contains("bunbase"));
    }
    server.stop().await;
}

fn keys_and_tokens(shell: &Shell<'_>, project: &str) {
    let made = shell.json(&["keys", "create", "server"]);
    let id = text(&made["key"]["id"]);
    let rotated = shell.json(&["keys", "rotate", id, "--grace", "1h"]);
    assert_ne!(made["secret"], rotated["secret"]);
    assert!(shell.says(&["keys", "list"]).contains("server"));
    assert!(!shell.says(&["keys", "list"]).contains(text(&rotated["secret"])));
    shell.says(&["keys", "revoke", id]);

    let token = shell.json(&["tokens", "create", "ci", "--scope", "projects:read", "--ttl", "1h"]);
    assert!(shell.says(&["tokens", "list"]).contains("projects:read"));
    let mut listed = shell.command(&["projects", "list", "--json"]);
    let listed = listed.env("BUNBASE_TOKEN", text(&token["token"])).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(project));
    let mut refused = shell.command(&["kv", "set", "a", "b", "--project", project]);
    let refused = refused.env("BUNBASE_TOKEN", text(&token["token"])).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("forbidden"));
}

fn members(shell: &Shell<'_>, server: &Server) {
    let invited = shell.says(&["members", "invite", "bob@example.com", "--role", "viewer"]);
    assert!(invited.contains("token="), "{invited}");
    assert!(shell.says(&["members", "list"]).contains("bob@example.com"));
    let mail = shell.says(&["mail"]);
    assert!(mail.contains("bob@example.com"), "{mail}");
    assert!(shell.says(&["mail", "last"]).contains("token="));
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Shell { home: elsewhere.path(), url: &server.url };
    let done = stranger.fed(&["members", "list"], "");
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("bunbase login"));
}

fn secrets(shell: &Shell<'_>) {
    assert!(shell.fed(&["secrets", "set", "stripe-key"], "s3cret\n").status.success());
    let got = shell.fed(&["secrets", "get", "stripe-key"], "");
    assert_eq!(String::from_utf8_lossy(&got.stdout), "s3cret\n");
    let list = shell.says(&["secrets", "list"]);
    assert!(list.contains("stripe-key") && !list.contains("s3cret"), "{list}");
    shell.says(&["secrets", "delete", "stripe-key"]);
    let gone = shell.fed(&["secrets", "get", "stripe-key"], "");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("secret_not_found"));
}

fn values_and_objects(shell: &Shell<'_>) {
    shell.says(&["kv", "set", "a/b", "hello", "--ttl", "1h"]);
    assert_eq!(shell.says(&["kv", "get", "a/b"]), "hello");
    assert_eq!(shell.says(&["kv", "incr", "n", "-2"]), "-2");
    assert!(shell.says(&["kv", "list", "a/*"]).contains("a/b"));
    shell.says(&["kv", "delete", "a/b"]);
    std::fs::write(shell.home.join("photo.txt"), "bytes of a photo").unwrap();
    shell.says(&["storage", "put", "photo.txt", "photos/1.txt", "--content-type", "text/plain"]);
    assert!(shell.says(&["storage", "list", "photos/"]).contains("photos/1.txt"));
    assert_eq!(shell.says(&["storage", "get", "photos/1.txt", "-o", "-"]), "bytes of a photo");
    shell.says(&["storage", "get", "photos/1.txt"]);
    assert_eq!(std::fs::read_to_string(shell.home.join("1.txt")).unwrap(), "bytes of a photo");
    assert!(shell.says(&["storage", "url", "photos/1.txt"]).contains("signature="));
    shell.says(&["storage", "delete", "photos/1.txt"]);
}

fn documents(shell: &Shell<'_>) {
    let file = shell.home.join("places.jsonl");
    let lines = ["IT", "IT", "FR"].map(|country| format!("{{\"country\": \"{country}\", \"n\": 1}}"));
    std::fs::write(&file, lines.join("\n")).unwrap();
    shell.says(&["db", "import", "places", text(&file.display().to_string().into())]);
    assert_eq!(shell.says(&["db", "count", "places", "{\"country\": \"IT\"}"]), "2");
    assert_eq!(shell.says(&["db", "distinct", "places", "country"]), "FR\nIT");
    let update = ["db", "update", "places", "{\"country\": \"IT\"}", "{\"$inc\": {\"n\": 1}}", "--many"];
    assert_eq!(shell.says(&update), "2 matched, 2 changed");
    let one = shell.json(&["db", "update", "places", "{\"_id\": \"new\"}", "{\"n\": 9}", "--upsert"]);
    assert_eq!(one["upserted_id"], "new");
    let made = shell.json(&["db", "indexes", "create", "places", "country,-n", "--sparse"]);
    assert_eq!((text(&made["name"]), &made["sparse"]), ("country_1_n_-1", &Value::Bool(true)));
    let listed = shell.says(&["db", "indexes", "list", "places"]);
    assert!(listed.contains("country,-n") && listed.contains("sparse"), "{listed}");
    let explained = shell.json(&["db", "explain", "places", "{\"n\": 9}"]);
    assert_eq!(explained["returned"], 1);
    assert!(shell.says(&["db", "indexes", "drop", "places", "country_1_n_-1"]).contains("was dropped"));
    assert_eq!(shell.says(&["db", "delete", "places", "{\"country\": \"IT\"}", "--many"]), "2 removed");
    assert_eq!(shell.says(&["db", "count", "places"]), "2");
}

fn functions(shell: &Shell<'_>) {
    let write = |text: &str| {
        let source = format!("export default () => new Response('{text} ' + (process.env.WHO ?? 'nobody'))");
        std::fs::write(shell.home.join("shop/index.ts"), source).unwrap();
    };
    std::fs::create_dir_all(shell.home.join("shop")).unwrap();
    write("one");
    shell.says(&["functions", "deploy", "shop", "--version", "v1"]);
    write("two");
    let built = shell.says(&[
        "fn",
        "deploy",
        "shop",
        "--version",
        "v2",
        "--no-promote",
        "--alias",
        "preview-2",
        "--remote",
    ]);
    assert!(built.contains("shop@preview-2"), "{built}");
    assert_eq!(shell.says(&["functions", "invoke", "shop"]), "one nobody");
    assert_eq!(shell.says(&["functions", "invoke", "shop@preview-2"]), "two nobody");
    shell.says(&["functions", "promote", "shop", "v2"]);
    let set = shell.fed(&["functions", "env", "set", "WHO=-", "--function", "shop"], "ada\n");
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    assert_eq!(shell.says(&["functions", "invoke", "shop"]), "two ada");
    let refused = shell.fed(&["functions", "env", "set", "WHO=eve"], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("eve"));
    let listed = shell.says(&["functions", "env", "list", "--function", "shop"]);
    assert!(listed.contains("WHO") && !listed.contains("ada"), "{listed}");
    shell.says(&["functions", "env", "unset", "WHO", "--function", "shop"]);
    assert!(shell.says(&["functions", "env", "list"]).contains("no variable"));
    shell.says(&["functions", "rollback", "shop"]);
    assert_eq!(shell.says(&["functions", "invoke", "shop"]), "one nobody");
    shell.says(&["functions", "traffic", "shop", "v1=1", "v2=1"]);
    let versions = shell.json(&["functions", "versions", "shop"]);
    assert_eq!(versions["versions"][0]["aliases"][0], "preview-2");
    let described = shell.says(&["functions", "describe", "shop"]);
    for part in ["deployed", "preview-2", "max_workers", "configuration", "built"] {
        assert!(described.contains(part), "{part} in {described}");
    }
    assert!(shell.says(&["functions", "alias", "list", "shop"]).contains("preview-2"));
    shell.says(&["functions", "alias", "remove", "shop", "preview-2"]);
    assert!(shell.says(&["functions", "domains", "list"]).contains("no domain"));
    assert!(shell.says(&["functions", "list"]).contains("shop"));
    shell.says(&["functions", "delete", "shop"]);
}

fn end_users(shell: &Shell<'_>) {
    let made = shell.fed(&["auth", "users", "create", "zoe@example.com", "--password-stdin"], PASSWORD);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let list = shell.json(&["auth", "users", "list"]);
    let id = text(&list["users"][0]["id"]);
    shell.says(&["auth", "users", "claims", id, "{\"team\": \"red\"}"]);
    assert_eq!(shell.json(&["auth", "users", "get", id])["user"]["claims"]["team"], "red");
    shell.says(&["auth", "users", "disable", id]);
    shell.says(&["auth", "config", "set", "{\"session_days\": 7}"]);
    assert_eq!(shell.json(&["auth", "config", "get"])["config"]["session_days"], 7);
    shell.says(&["auth", "users", "delete", id]);
}
