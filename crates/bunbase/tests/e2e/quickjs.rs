//! A function of the runtime quickjs in the whole server: deployed by the command line, called with a key, started
//! by cron and a queue, with documents, keys and another function behind it.

use crate::client::{Client, Project};
use crate::server::{Data, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long something that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(40);

const SMALL: &str = r#"
    import { bunbase } from "bunbase-js/function";
    export const config = {
      runtime: "quickjs",
      triggers: [
        { kind: "http" },
        { kind: "cron", schedule: "0 0 1 1 *" },
        { kind: "queue", queue: "visits" },
      ],
    };
    export default async (req: Request): Promise<Response> => {
      const trigger = req.headers.get("x-bunbase-trigger") ?? "http";
      const visits = await bunbase.kv.increment("visits");
      const made = await bunbase.db.collection("visits").create({ trigger });
      const found = await bunbase.db.collection<{ trigger: string }>("visits").query({ trigger });
      const large = await bunbase.functions.invoke("large", { visits });
      console.log("visited", trigger, process.env.REGION);
      return Response.json({ made: made._id, found: found.documents.length, large, engine: typeof Bun });
    };"#;

const LARGE: &str =
    "export default async (req: Request) => Response.json({ twice: 2 * (await req.json()).visits })";

/// What `bunbase` prints, with the secret key of a project.
fn says(server: &Server, project: &Project, directory: &Path, arguments: &[&str]) -> String {
    let named = std::env::var_os("BUNBASE_BUN_PATH").map(std::path::PathBuf::from);
    let bun = worker_pool::BunBinary::find(named.as_deref(), &[]).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_bunbase"))
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory)
        .env("BUNBASE_URL", &server.url)
        .env("BUNBASE_BUN_PATH", bun.path())
        .env("BUNBASE_KEY", &project.secret_key)
        .env("BUNBASE_PROJECT", &project.id)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

/// Waits until a run that `trigger` started has ended well.
async fn has_run(ada: &Client, project: &Project, trigger: &str) {
    let begun = Instant::now();
    loop {
        let path = format!("/v1/projects/{}/functions/small/runs?trigger={trigger}", project.id);
        let runs = ada.get(&path).await.expect(200);
        let runs = runs["runs"].as_array().unwrap();
        if runs.iter().any(|run| run["status"] == "ok" && run["http_status"] == 200) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no run by {trigger}: {runs:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_function_is_deployed_called_and_triggered_like_any_other() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    ada.deploy(&project, "large", "v1", LARGE).await.expect(201);
    let region = format!("/v1/projects/{}/env/REGION", project.id);
    ada.put(&region, json!({ "value": "a-value-of-its-own" })).await.expect(200);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("small.ts"), SMALL).unwrap();
    says(&server, &project, directory.path(), &["functions", "deploy", "small.ts"]);
    let described = says(&server, &project, directory.path(), &["functions", "describe", "small"]);
    assert!(
        described.lines().any(|line| line.starts_with("runtime") && line.ends_with("quickjs")),
        "{described}"
    );

    let caller = server.client().with_key(&project.public_key);
    let answer = caller.get("/v1/functions/small").await.expect(200);
    assert_eq!(
        (&answer["found"], &answer["large"]["twice"], &answer["engine"]),
        (&json!(1), &json!(2), &json!("undefined"))
    );
    assert!(answer["made"].is_string(), "{answer}");

    let secret = server.client().with_key(&project.secret_key);
    secret.post("/v1/queues/visits/jobs", json!({ "payload": { "n": 1 } })).await.expect(202);
    has_run(&ada, &project, "queue").await;
    let schedules = secret.get("/v1/schedules").await.expect(200);
    let name = schedules["schedules"][0]["name"].as_str().unwrap();
    secret.post(&format!("/v1/schedules/{name}/run"), json!({})).await.expect(202);
    has_run(&ada, &project, "cron").await;

    let logs = ada.get(&format!("/v1/projects/{}/functions/small/logs", project.id)).await.expect(200);
    let lines: Vec<&Value> = logs["logs"].as_array().unwrap().iter().collect();
    let of = |text: &str| lines.iter().find(|line| line["message"].as_str().unwrap().starts_with(text));
    for trigger in ["http", "queue", "cron"] {
        let line = of(&format!("visited {trigger}")).unwrap_or_else(|| panic!("{trigger}: {lines:?}"));
        assert!(line["invocation_id"].is_string(), "{line}");
    }
    assert!(!logs.to_string().contains("a-value-of-its-own"), "{logs}");
    server.stop().await;
}
