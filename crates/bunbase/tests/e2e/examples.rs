//! Every directory of `examples/functions`: deployed by the command line, and asked what its `check.json` says.

use crate::client::{Answer, Client, Project};
use crate::commands::bun;
use crate::server::{Data, Server, repository};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long something that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);

/// How an example is deployed, and what it does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    /// More arguments of `bunbase functions deploy`.
    #[serde(default)]
    deploy: Vec<String>,
    /// Its variables.
    #[serde(default)]
    env: BTreeMap<String, String>,
    steps: Vec<Step>,
}

/// One request, and what has to be answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Method and path; `{project}` is the project's id.
    ask: String,
    /// Whether the secret key is sent.
    #[serde(default = "yes")]
    key: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Text as it is, anything else as JSON.
    body: Option<Value>,
    status: u16,
    /// Text, or JSON whose objects may have more fields than these.
    answer: Option<Value>,
    /// Whether it may be answered otherwise at first.
    #[serde(default)]
    eventually: bool,
}

fn yes() -> bool {
    true
}

struct Stage {
    server: Server,
    project: Project,
    home: tempfile::TempDir,
}

impl Stage {
    /// Runs `bunbase` with the project's secret key; it has to succeed.
    fn says(&self, arguments: &[&str], input: &str) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bunbase"))
            .args(arguments)
            .env("HOME", self.home.path())
            .env("BUNBASE_URL", &self.server.url)
            .env("BUNBASE_BUN_PATH", bun())
            .env("BUNBASE_KEY", &self.project.secret_key)
            .env("BUNBASE_PROJECT", &self.project.id)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn deploy(&self, directory: &Path, name: &str, check: &Check) {
        let mut arguments = vec!["functions", "deploy", directory.to_str().unwrap()];
        arguments.extend(check.deploy.iter().map(String::as_str));
        self.says(&arguments, "");
        for (key, value) in &check.env {
            self.says(&["functions", "env", "set", &format!("{key}=-"), "--function", name], value);
        }
    }

    async fn ask(&self, step: &Step) -> Answer {
        let (method, path) = step.ask.split_once(' ').unwrap();
        let path = path.replace("{project}", &self.project.id);
        let nobody = self.server.client();
        let client: Client = if step.key { nobody.with_key(&self.project.secret_key) } else { nobody };
        let mut request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
        for (name, value) in &step.headers {
            request = request.header(name, value);
        }
        request = match &step.body {
            None => request,
            Some(Value::String(text)) => request.body(text.clone()),
            Some(json) => request.json(json),
        };
        client.send(request).await
    }

    async fn check(&self, name: &str, step: &Step) {
        let begun = Instant::now();
        loop {
            let answer = self.ask(step).await;
            let is_wanted = answer.status == step.status
                && step.answer.as_ref().is_none_or(|wanted| holds(&answer.body, wanted));
            if is_wanted {
                return;
            }
            let may_come = step.eventually && begun.elapsed() < PATIENCE;
            assert!(may_come, "{name}: {} answers {} {}", step.ask, answer.status, answer.body);
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether `found` has everything that is wanted.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| holds(found, wanted)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        _ => found == wanted,
    }
}

fn examples() -> Vec<PathBuf> {
    let root = repository().join("examples/functions");
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut directories: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    directories.retain(|path| path.file_name().is_some_and(|name| name != "node_modules"));
    directories.sort();
    directories
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_deployed_and_does_what_its_check_says() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let project = server.client().set_up().await.project("examples").await;
    let stage = Stage { server, project, home: tempfile::tempdir().unwrap() };
    let page = include_str!("../../../../docs/functions/examples.md");
    for directory in examples() {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read(directory.join("check.json"))
            .unwrap_or_else(|_| panic!("{name} has no check.json"));
        let check: Check = serde_json::from_slice(&text).unwrap();
        stage.deploy(&directory, name, &check);
        for step in &check.steps {
            stage.check(name, step).await;
        }
        let source = std::fs::read_to_string(directory.join("index.ts")).unwrap();
        assert!(page.contains(&source), "docs/functions/examples.md does not show {name}/index.ts as it is");
    }
    stage.server.stop().await;
}
