//! What the command line does with an application besides running it: types, seeds, its document, single runs.

use crate::application::{application, run};
use crate::commands::bun;
use crate::dev::{Dev, save};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const SEED: &str = r#"import { seed } from "bunbase";

export default seed({
  name: "ada",
  run: async ({ db, iam }) => {
    console.log("said by a seed");
    const { id } = await iam.users.create({ email: "ada@example.com", password: "correct horse" });
    await db.from("notes").insert({ id: "n1", user_id: id, title: "Sown", body: "", created_at: 1 });
  },
});
"#;
const TYPED: &str = r#"import { action, t } from "bunbase";

export default action({ name: "typed", input: t.Object({}), output: t.Any() }, async (_input, ctx) => {
  const { id } = await ctx.action("notes.create-note", { title: "x" });
  await ctx.queue.push("welcome", { email: id });
  const [found] = await ctx.db.from("notes").eq("title", "x").exec();
  return found?.created_at.toFixed();
});
"#;
const CLIENT: &str = r#"import { ApiError, createClient } from "./api.ts";
const client = createClient({ baseUrl: process.argv[2] ?? "" });
const { ok } = await client.health();
const refused = await client.notes["list-notes"]().catch((error) => error);
console.log(JSON.stringify([ok, refused instanceof ApiError && refused.status]));
"#;

fn try_to(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bunbase"))
        .args(arguments)
        .current_dir(root)
        .env("BUNBASE_BUN_PATH", bun())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a file holds once it is written.
async fn written(path: &Path) -> String {
    let begun = Instant::now();
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if !text.is_empty() => return text,
            _ => assert!(begun.elapsed() < PATIENCE, "{} was never written", path.display()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the compiler says of an application.
fn types(root: &Path) -> Output {
    Command::new(root.join("node_modules/.bin/tsc")).args(["-p", "."]).current_dir(root).output().unwrap()
}

#[test]
fn the_document_of_an_application_needs_no_server() {
    let directory = application();
    let root = directory.path().join("notes");
    let document = run(&root, &["openapi", "--server", "https://notes.example.com"]);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "https://notes.example.com");
    let create = &document["paths"]["/api/notes"]["post"];
    assert_eq!(create["operationId"], "notes.create-note");
    assert!(!root.join(".bunbase/dev").exists());
    let file = root.join("openapi.json");
    let named = run(&root, &["openapi", "--output", "openapi.json"]);
    assert_eq!(named["files"], json!(["openapi.json"]));
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["paths"], document["paths"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_seeds_and_single_runs_go_beside_a_running_application() {
    let directory = application();
    let root = directory.path().join("notes");
    let mut dev = Dev::start(&root).await;
    dev.of("live", "notes").await;

    // `dev` writes what the application's own code goes by.
    let names = written(&root.join(".bunbase/names.d.ts")).await;
    assert!(names.contains("\"notes.create-note\""), "{names}");
    let tables = written(&root.join(".bunbase/database.d.ts")).await;
    assert!(tables.contains("notes: {"), "{tables}");
    save(&root, "src/typed.ts", TYPED);
    let sound = types(&root);
    assert!(sound.status.success(), "{}", text(&sound.stdout));
    for (right, wrong) in
        [("create-note", "create-nose"), ("\"welcome\"", "\"welcom\""), ("\"title\"", "\"titel\"")]
    {
        save(&root, "src/typed.ts", &TYPED.replace(right, wrong));
        let unsound = types(&root);
        assert!(text(&unsound.stdout).contains("src/typed.ts"), "{wrong}: {}", text(&unsound.stdout));
    }
    std::fs::remove_file(root.join("src/typed.ts")).unwrap();

    // A client for others, which may stand anywhere.
    let elsewhere = directory.path().join("web");
    let api = elsewhere.join("api.ts");
    run(&root, &["typegen", "client", "--output", api.to_str().unwrap()]);
    assert!(!elsewhere.join(".gitignore").exists(), "it is no file of ours");
    save(&elsewhere, "main.ts", CLIENT);
    let used = Command::new(bun()).arg("main.ts").arg(&dev.url).current_dir(&elsewhere).output().unwrap();
    assert_eq!(text(&used.stdout).trim(), "[true,401]", "{}", text(&used.stderr));

    save(&root, "seeds/ada.ts", SEED);
    assert_eq!(run(&root, &["seed"]), json!({ "ran": ["ada"], "skipped": [] }));
    assert_eq!(run(&root, &["seed"]), json!({ "ran": [], "skipped": ["ada"] }));
    let login = json!({ "email": "ada@example.com", "password": "correct horse" });
    let answer = dev.http.post(format!("{}/api/auth/login", dev.url)).json(&login).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // The same rows again: the seed fails, and says why.
    let failed = try_to(&root, &["seed", "ada", "--force"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("the email is taken"), "{}", text(&failed.stderr));

    let ran = run(&root, &["run", "health"]);
    assert_eq!((&ran["status"], &ran["output"]), (&json!("success"), &json!({ "ok": true })));
    assert!(ran["run_id"].is_string() && ran["duration_ms"].is_number(), "{ran}");
    let wrong = try_to(&root, &["run", "auth.login", "--json", "--input", r#"{"email": "x"}"#]);
    assert_eq!(wrong.status.code(), Some(1));
    let outcome: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("error"), &json!("invalid_input")));
    let unknown = try_to(&root, &["run", "nothing"]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("nothing"));
    assert_eq!(try_to(&root, &["run", "health", "--input", "{"]).status.code(), Some(2));
    // A row of a user is needed, and the developer has none.
    let note = ["run", "notes.create-note", "--input", r#"{"title": "x"}"#];
    let nobodys = text(&try_to(&root, &note).stderr);
    assert!(nobodys.contains("--as EMAIL"), "{nobodys}");
    assert_eq!(run(&root, &[&note[..], &["--as", "Ada@example.com"]].concat())["status"], "success");
    let unknown = text(&try_to(&root, &[&note[..], &["--as", "eve@example.com"]].concat()).stderr);
    assert!(unknown.contains("eve@example.com") && unknown.contains("`users`"), "{unknown}");
    assert!(dev.stop().await.success());

    // Nothing runs: an application starts for this call alone.
    save(&root, "input.json", &login.to_string());
    let alone = run(&root, &["run", "auth.login", "--input", "@input.json"]);
    assert_eq!(alone["output"]["email"], "ada@example.com", "{alone}");
    let plain = try_to(&root, &["run", "cleanup"]);
    assert_eq!(text(&plain.stdout), "{\n  \"removed\": 1\n}\n", "{}", text(&plain.stderr));
}
