//! `functions dev` as somebody meets it who saves files and looks at what is printed.

use crate::commands::bun;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, text)| save(directory.path(), path, text));
    directory
}

pub(crate) fn save(directory: &Path, path: &str, text: &str) {
    let path = directory.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The running command.
pub(crate) struct Dev {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
    project: String,
    pub(crate) http: reqwest::Client,
}

impl Dev {
    pub(crate) async fn start(directory: &Path) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bunbase"));
        command
            .args(["dev", "--json", "--listen", "127.0.0.1:0"])
            .arg(directory)
            .env("BUNBASE_BUN_PATH", bun());
        Self::run(command).await
    }

    /// The command itself, or what runs it.
    pub(crate) async fn run(command: std::process::Command) -> Self {
        let mut child = Command::from(command)
            // So that Ctrl-C reaches all of it, as in a terminal.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut dev = Self { child, events, url: String::new(), project: String::new(), http };
        let ready = dev.event(|event| event["event"] == "ready").await;
        dev.url = ready["url"].as_str().unwrap().to_owned();
        dev.project = ready["project_id"].as_str().unwrap().to_owned();
        dev
    }

    /// Reads what is printed up to the first event that is meant.
    pub(crate) async fn event(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        let wanted = async {
            while let Some(line) = self.events.next_line().await.unwrap() {
                let event: Value = serde_json::from_str(&line).unwrap();
                if is_meant(&event) {
                    return Some(event);
                }
                seen.push(line);
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, wanted).await;
        found.ok().flatten().unwrap_or_else(|| panic!("it was never printed; this was:\n{}", seen.join("\n")))
    }

    pub(crate) async fn of(&mut self, name: &str, function: &str) -> Value {
        self.event(|event| event["event"] == name && event["function"] == function).await
    }

    fn address(&self, function: &str) -> String {
        format!("{}/v1/projects/{}/functions/{function}/invoke", self.url, self.project)
    }

    /// Calls without any key.
    async fn call(&self, function: &str) -> (u16, String) {
        let answer = self.http.get(self.address(function)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn says(&self, function: &str) -> String {
        let (status, text) = self.call(function).await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Asks until the answer is the expected one.
    async fn comes_to_say(&self, function: &str, expected: &str) {
        let asked = async {
            while self.says(function).await != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the answer never came");
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    /// Ctrl-C.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        killpg(Pid::from_raw(self.pid()), Signal::SIGINT).unwrap();
        let ended = async {
            while let Some(line) = self.events.next_line().await.unwrap() {
                serde_json::from_str::<Value>(&line).unwrap();
            }
            self.child.wait().await.unwrap()
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends in time")
    }
}

/// The processes that have this one as their parent.
fn children(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

const HELLO: &str = r#"import { shout } from "../lib/text.ts";

interface Wish { loud?: string }

export default (req: Request): Response => {
  const wish: Wish = Object.fromEntries(new URL(req.url).searchParams);
  if (wish.loud === "no") throw new Error("as asked", { cause: new Error("a wish") });
  console.log("was called");
  return new Response(shout(`one ${process.env.WHO}`));
};
"#;
const TEXT: &str = "export const shout = (text: string): string => `${text}!`;\n";
const TICK: &str = r#"export const config = { triggers: [{ kind: "cron", schedule: "* * * * * *" }] };
export default () => { console.log("tick"); return new Response(null, { status: 204 }); };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_runs_and_follows_what_is_saved() {
    let files = [
        ("functions/hello.ts", HELLO),
        ("functions/tick.ts", TICK),
        ("lib/text.ts", TEXT),
        (".env", "WHO=ada\n"),
    ];
    let directory = directory(&files);
    let root = directory.path();
    let mut dev = Dev::start(root).await;
    let live = dev.of("live", "hello").await;
    assert_eq!(live["access"], "public");
    let tick = dev.of("live", "tick").await;
    assert_eq!(tick["triggers"][0], "cron * * * * * *");
    dev.of("log", "tick").await;
    assert_eq!(dev.says("hello").await, "one ada!");
    let line = dev.of("log", "hello").await;
    assert_eq!(line["message"], "was called");
    assert!(line["invocation_id"].is_string());

    let answer = dev.http.get(dev.address("hello") + "?loud=no").send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let line = dev.event(|event| event["level"] == "error").await;
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("functions/hello.ts:7:"), "{message}");
    assert!(message.contains("caused by Error: a wish") && !message.contains("bundle.js"), "{message}");
    assert!(!message.contains("worker.js") && !message.contains("async_hooks"), "{message}");

    save(root, "functions/hello.ts", &HELLO.replace("one", "two"));
    dev.of("live", "hello").await;
    assert_eq!(dev.says("hello").await, "two ada!");
    save(root, "lib/text.ts", &TEXT.replace('!', "?"));
    dev.of("live", "hello").await;
    assert_eq!(dev.says("hello").await, "two ada?");

    save(root, "functions/hello.ts", "export default () => {\n  return new Response((;\n};\n");
    let failed = dev.of("failed", "hello").await;
    let error = &failed["errors"][0];
    assert_eq!((&error["file"], &error["line"]), (&"functions/hello.ts".into(), &2.into()), "{failed}");
    assert_eq!(dev.says("hello").await, "two ada?");
    let throws =
        "const broken = 1;\nthrow new Error(`at once ${broken}`);\nexport default () => new Response();\n";
    save(root, "functions/hello.ts", throws);
    let failed = dev.of("failed", "hello").await;
    let message = failed["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("at once 1 at functions/hello.ts:2:"), "{message}");
    assert_eq!(dev.says("hello").await, "two ada?");
    save(root, "functions/hello.ts", &HELLO.replace("one", "three"));
    dev.of("live", "hello").await;
    assert_eq!(dev.says("hello").await, "three ada?");

    save(root, ".env", "WHO=eve\n");
    dev.comes_to_say("hello", "three eve?").await;
    save(root, "functions/deep/index.ts", "export default () => new Response('new')");
    dev.of("live", "deep").await;
    assert_eq!(dev.says("deep").await, "new");
    std::fs::remove_file(root.join("functions/hello.ts")).unwrap();
    dev.of("removed", "hello").await;
    // To nobody, what is not there is what is not public.
    assert_eq!(dev.call("hello").await.0, 401);

    let (project, workers) = (dev.project.clone(), children(dev.pid()));
    assert!(!workers.is_empty());
    assert!(dev.stop().await.success());
    assert!(workers.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "{workers:?}");
    assert_eq!(std::fs::read_to_string(root.join(".bunbase/dev/.gitignore")).unwrap(), "*\n");

    let mut again = Dev::start(root).await;
    assert_eq!(again.project, project);
    again.of("live", "tick").await;
    assert_eq!(again.says("deep").await, "new");
    assert!(again.stop().await.success());
}

const SWAPS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_while_versions_follow_each_other() {
    let answering = |number: u64| format!("export default () => new Response('{number}');\n");
    let directory = directory(&[("index.ts", &answering(0)), ("package.json", r#"{"name": "shop"}"#)]);
    let mut dev = Dev::start(directory.path()).await;
    dev.of("live", "shop").await;
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (http, address) = (dev.http.clone(), dev.address("shop"));
            let (over, calls) = (over.clone(), calls.clone());
            tokio::spawn(async move {
                let mut newest = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    let answer = http.get(&address).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    let number = answer.text().await.unwrap().parse().unwrap();
                    assert!(number >= newest, "{number} after {newest}");
                    newest = number;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut took = Vec::new();
    for number in 1..=SWAPS {
        let saved = Instant::now();
        save(directory.path(), "index.ts", &answering(number));
        dev.comes_to_say("shop", &number.to_string()).await;
        took.push(saved.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    took.sort();
    let calls = calls.load(Ordering::Relaxed);
    println!(
        "{calls} calls during {SWAPS} swaps; from save to answer: p50 {:?}, worst {:?}",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(calls > SWAPS);
    assert!(dev.stop().await.success());
}
