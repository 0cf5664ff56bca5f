//! An application of actions as somebody meets it who writes one with `init` and runs it with `dev`.

use crate::commands::bun;
use crate::dev::{Dev, save};
use crate::postgres::TestPostgres;
use crate::server::repository;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What `init` writes, with the packages of this repository.
pub(crate) fn application() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("notes");
    let packages = repository().join("node_modules").canonicalize().unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_bunbase")).arg("init").arg(&root).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let installed = root.join("node_modules");
    std::fs::create_dir(&installed).unwrap();
    for package in std::fs::read_dir(packages).unwrap() {
        let package = package.unwrap();
        if package.file_name() != "bunbase" {
            symlink(package.path(), installed.join(package.file_name())).unwrap();
        }
    }
    symlink(repository().join("packages/bunbase"), installed.join("bunbase")).unwrap();
    directory
}

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_bunbase"))
        .args(arguments)
        .arg("--json")
        .current_dir(root)
        .env("BUNBASE_BUN_PATH", bun())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A browser with one cookie.
pub(crate) struct Browser<'a> {
    pub(crate) dev: &'a Dev,
    pub(crate) cookie: String,
}

impl Browser<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.dev.http.request(method, format!("{}{path}", self.dev.url));
        if self.cookie.is_empty() { request } else { request.header("cookie", &self.cookie) }
    }

    pub(crate) async fn ask(&mut self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.unwrap();
        let set = answer.headers().get_all("set-cookie").iter();
        let own = set
            .filter_map(|cookie| cookie.to_str().ok())
            .find(|cookie| cookie.starts_with("bunbase_session="));
        if let Some(cookie) = own {
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        self.ask(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(self.request(Method::POST, path).json(&body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_init_writes_has_a_login_a_protected_action_and_a_job_of_a_queue() {
    let directory = application();
    let root = directory.path().join("notes");
    notes_are_kept(&root).await;
    assert_eq!(databases(&root).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_database_url_everything_of_an_application_is_in_postgresql() {
    let Some(postgres) = TestPostgres::start() else { return };
    let directory = application();
    let root = directory.path().join("notes");
    let variables = std::fs::read_to_string(root.join(".env")).unwrap();
    save(&root, ".env", &format!("{variables}DATABASE_URL={}\n", postgres.url()));
    notes_are_kept(&root).await;
    assert_eq!(databases(&root), Vec::<PathBuf>::new());
    let status = run(&root, &["migrate", "status"]);
    assert!(status["migrations"][0]["applied_at"].is_string(), "{status}");
    types_and_seeds_follow_its_tables(&root);
    for file in files(&root.join(".bunbase")) {
        let text = std::fs::read(&file).unwrap();
        let tells =
            text.windows(TestPostgres::PASSWORD.len()).any(|part| part == TestPostgres::PASSWORD.as_bytes());
        assert!(!tells, "{} has the password of the database", file.display());
    }
}

const KINDS: &str = "CREATE TYPE mood AS ENUM ('good', 'so so');
    CREATE TABLE kinds (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title TEXT NOT NULL, note TEXT,
        count INTEGER NOT NULL DEFAULT 0, done BOOLEAN NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now(), data JSONB,
        tags TEXT[] NOT NULL, price NUMERIC(10, 2), feeling mood);";
const SEED: &str = r#"import { seed } from "bunbase";

export default seed({
  name: "kinds",
  run: async ({ db }) => {
    const one = { title: "one", done: true, tags: ["a", "b"], data: { x: [1] }, price: 12.5, feeling: "so so" } as const;
    await db.from("kinds").insert(one);
  },
});
"#;
/// What is read is of the types that were written.
const READ: &str = r#"import { action, t } from "bunbase";

export default action({ name: "kinds", input: t.Object({}), output: t.Any() }, async (_input, ctx) => {
  const { at, tags, price, count, done, data, feeling, note, id } = await ctx.db.from("kinds").single();
  return { at: at instanceof Date, tags, price, count, done, data, feeling, note, id };
});
"#;
const TYPES: &str = r#"      Row: {
        id: number;
        title: string;
        note: string | null;
        count: number;
        done: boolean;
        at: Date;
        data: unknown;
        tags: string[];
        price: number | null;
        feeling: "good" | "so so" | null;
      };"#;

fn types_and_seeds_follow_its_tables(root: &Path) {
    save(root, "migrations/002_kinds.sql", KINDS);
    save(root, "migrations/002_kinds.down.sql", "DROP TABLE kinds; DROP TYPE mood;");
    save(root, "seeds/001_kinds.ts", SEED);
    save(root, "src/kinds.ts", READ);
    run(root, &["typegen", "db"]);
    let types = std::fs::read_to_string(root.join(".bunbase/database.d.ts")).unwrap();
    assert!(types.contains(TYPES), "{types}");
    assert_eq!(run(root, &["seed"]), json!({ "ran": ["kinds"], "skipped": [] }));
    assert_eq!(run(root, &["seed"]), json!({ "ran": [], "skipped": ["kinds"] }));
    let read = run(root, &["run", "kinds"])["output"].take();
    let expected = json!({ "at": true, "tags": ["a", "b"], "price": 12.5, "count": 0, "done": true,
        "data": { "x": [1] }, "feeling": "so so", "note": null, "id": 1 });
    assert_eq!(read, expected);
    let note = json!({ "title": "x" }).to_string();
    let written = run(root, &["run", "notes.create-note", "--as", "ADA@example.com", "--input", &note]);
    assert_eq!(written["status"], "success", "{written}");

    assert_eq!(run(root, &["migrate", "down"])["migrations"], json!(["002_kinds"]));
    let status = run(root, &["migrate", "status"]);
    let applied = |at: usize| status["migrations"][at]["applied_at"].is_string();
    assert!(applied(0) && !applied(1), "{status}");
    run(root, &["migrate"]);
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() { files(&entry.path()) } else { vec![entry.path()] }
        })
        .filter(|path| path.is_file())
        .collect()
}

/// The files of the projects' databases.
fn databases(root: &Path) -> Vec<PathBuf> {
    files(&root.join(".bunbase/dev")).into_iter().filter(|path| path.ends_with("app.db")).collect()
}

/// The story of an application, from its first start on.
async fn notes_are_kept(root: &Path) {
    let mut dev = Dev::start(root).await;
    dev.event(|event| event["event"] == "migrated").await;
    dev.of("live", "notes").await;
    let mut nobody = Browser { dev: &dev, cookie: String::new() };
    assert_eq!(nobody.get("/api/health").await, (StatusCode::OK, json!({ "data": { "ok": true } })));
    let (status, refused) = nobody.post("/api/notes", json!({ "title": "x" })).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")));

    let mut ada = Browser { dev: &dev, cookie: String::new() };
    let account = json!({ "email": "ada@example.com", "password": "correct horse", "role": "admin" });
    let (status, user) = ada.post("/api/auth/signup", account.clone()).await;
    assert_eq!(status, StatusCode::OK, "{user}");
    assert_eq!(user["data"]["email"], "ada@example.com");
    let (_, me) = ada.get("/api/auth/me").await;
    assert_eq!(me["data"]["id"], user["data"]["id"]);
    let (status, again) = nobody.post("/api/auth/signup", account.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{again}");
    let wrong = json!({ "email": "ada@example.com", "password": "wrong horse" });
    assert_eq!(nobody.post("/api/auth/login", wrong).await.0, StatusCode::UNAUTHORIZED);

    let (status, note) = ada.post("/api/notes", json!({ "title": "First" })).await;
    assert_eq!(status, StatusCode::OK, "{note}");
    let (status, invalid) = ada.post("/api/notes", json!({ "title": "" })).await;
    assert_eq!((status, &invalid["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_input")));
    assert_eq!(invalid["error"]["details"][0]["path"], "/title");
    let (_, listed) = ada.get("/api/notes?limit=5").await;
    assert_eq!(listed["data"], json!([{ "id": note["data"]["id"], "title": "First" }]));
    assert_eq!(ada.get("/api/notes?limit=500").await.0, StatusCode::BAD_REQUEST);
    let from_elsewhere = ada.request(Method::POST, "/api/notes").header("sec-fetch-site", "cross-site");
    let (status, _) = ada.ask(from_elsewhere.json(&json!({ "title": "x" }))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let forged = Browser { dev: &dev, cookie: format!("{}x", ada.cookie) };
    assert_eq!(forged.request(Method::GET, "/api/auth/me").send().await.unwrap().status(), 401);

    // A session that was ended does not come back.
    let before = ada.cookie.clone();
    assert_eq!(ada.post("/api/auth/logout", json!({})).await.0, StatusCode::OK);
    let mut late = Browser { dev: &dev, cookie: before };
    assert_eq!(late.get("/api/auth/me").await.0, StatusCode::UNAUTHORIZED);

    let welcome =
        dev.event(|event| event["message"].as_str().is_some_and(|text| text.starts_with("welcome"))).await;
    assert_eq!(welcome["function"], "notes");
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_added_answers_and_one_that_is_wrong_leaves_the_rest_serving() {
    let directory = application();
    let root = directory.path().join("notes");
    let mut dev = Dev::start(&root).await;
    dev.of("live", "notes").await;
    let added = std::fs::read_to_string(root.join("src/health.ts")).unwrap();
    let added = added.replace("\"health\"", "\"second\"").replace("/api/health", "/api/second");
    save(&root, "src/second.ts", &added);
    dev.of("live", "notes").await;
    let answers =
        async |path: &str| dev.http.get(format!("{}{path}", dev.url)).send().await.unwrap().status();
    assert_eq!(answers("/api/second").await, StatusCode::OK);
    // The name of another action.
    save(&root, "src/third.ts", &added);
    let failed = dev.of("failed", "notes").await;
    let message = failed["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("src/third.ts") && message.contains("\"second\""), "{message}");
    assert_eq!(failed["serves_last_good"], true);
    let answers =
        async |path: &str| dev.http.get(format!("{}{path}", dev.url)).send().await.unwrap().status();
    assert_eq!(answers("/api/second").await, StatusCode::OK);
    assert!(dev.stop().await.success());
}

#[test]
fn the_command_line_lists_builds_and_migrates() {
    let directory = application();
    let root = directory.path().join("notes");
    let routes = run(&root, &["routes"]);
    let routes = routes["routes"].as_array().unwrap();
    let has = |trigger: &str, subject: &str| {
        routes.iter().any(|route| route["trigger"] == trigger && route["subject"] == subject)
    };
    for (trigger, subject) in
        [("POST", "/api/notes"), ("tool", "create_note"), ("queue", "welcome"), ("cron", "0 3 * * *")]
    {
        assert!(has(trigger, subject), "{trigger} {subject}");
    }
    let built = run(&root, &["build"]);
    assert_eq!(built["actions"], 9);
    let manifest = std::fs::read_to_string(root.join(".bunbase/build/manifest.json")).unwrap();
    assert!(!manifest.contains("session_secret"));
    let made = run(&root, &["migrate", "new", "add tags"]);
    assert!(made["files"][0].as_str().unwrap().ends_with("migrations/002_add_tags.sql"));
    let begun = Instant::now();
    assert_eq!(run(&root, &["doctor"])["wrong"], 0);
    assert!(begun.elapsed() < Duration::from_secs(60));
}
