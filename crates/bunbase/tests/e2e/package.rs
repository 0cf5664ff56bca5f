//! The npm package, as somebody meets it who has nothing but its archive and Bun. What else it needs comes from npm's
//! registry.

use crate::application::Browser;
use crate::commands::bun;
use crate::dev::Dev;
use crate::server::repository;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// From `bunx bunbase init` to the first answer, with a warm cache.
const READY_MAX: Duration = Duration::from_secs(60);

/// A machine with the archive, Bun, and no `bunbase`.
struct Machine {
    directory: tempfile::TempDir,
    archive: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        std::fs::copy(env!("CARGO_BIN_EXE_bunbase"), &program).unwrap();
        // What debuggers read would be most of the archive; without `strip` it is only larger.
        let _ = Command::new("strip").arg(&program).status();
        let script = repository().join("tools/package.ts");
        let packed = Command::new(bun()).arg(script).arg(&program).arg(directory.path()).output().unwrap();
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        let archive = PathBuf::from(String::from_utf8(packed.stdout).unwrap().trim());
        std::fs::remove_file(program).unwrap();
        Self { directory, archive }
    }

    fn bun(&self, arguments: &[&str], directory: &str) -> Command {
        let mut command = Command::new(bun());
        command
            .args(arguments)
            .current_dir(self.directory.path().join(directory))
            .env("BUN_INSTALL_CACHE_DIR", self.directory.path().join("cache"))
            // No Bun there but the one that is run, and no program of ours.
            .env("PATH", "/usr/bin:/bin")
            .env_remove("BUNBASE_BUN_PATH");
        command
    }

    /// `bunx bunbase init`, with the archive in place of the registry's package.
    fn init(&self, name: &str) {
        let package = format!("bunbase@{}", self.archive.display());
        done(self.bun(&["x", &package, "init", name], ""));
        done(self.bun(&["install"], name));
    }
}

fn done(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_alone_gives_a_running_application_in_a_minute() {
    let machine = Machine::new();
    machine.init("warm-up");
    let begun = Instant::now();
    machine.init("my-app");
    let mut dev = Dev::run(machine.bun(&["run", "dev", "--json", "--listen", "127.0.0.1:0"], "my-app")).await;
    let live = dev.of("live", "my-app").await;
    let mut ada = Browser { dev: &dev, cookie: String::new() };
    assert_eq!(ada.get("/api/health").await.0, StatusCode::OK);
    assert!(begun.elapsed() < READY_MAX, "it took {:?}", begun.elapsed());

    // A login, a protected action, and a tool.
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    assert_eq!(ada.post("/api/notes", json!({ "title": "x" })).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.post("/api/auth/signup", account.clone()).await.0, StatusCode::OK);
    assert_eq!(ada.post("/api/auth/login", account).await.0, StatusCode::OK);
    assert_eq!(ada.post("/api/notes", json!({ "title": "By hand" })).await.0, StatusCode::OK);
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "create_note", "arguments": { "title": "By a tool" } },
    });
    let call = ada
        .request(Method::POST, "/_mcp")
        .header("accept", "application/json, text/event-stream")
        .json(&call);
    let (status, called) = ada.ask(call).await;
    assert_eq!((status, &called["result"]["isError"]), (StatusCode::OK, &json!(false)), "{called}");
    let (_, listed) = ada.get("/api/notes").await;
    let titles: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|note| &note["title"]).collect();
    assert!(titles.contains(&&json!("By hand")) && titles.contains(&&json!("By a tool")), "{listed}");

    // A job at a time, and one of a queue, which ran.
    let triggers: Vec<&str> = live["triggers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(triggers.iter().any(|trigger| trigger.contains("cron 0 3 * * *")), "{triggers:?}");
    dev.event(|event| event["message"].as_str().is_some_and(|text| text.starts_with("welcome"))).await;
    // The tests that it comes with pass, and so do its types.
    done(machine.bun(&["test"], "my-app"));
    done(machine.bun(&["run", "types"], "my-app"));
    assert!(dev.stop().await.success());
}
