//! What `make up` does once everything is built: the account, the project, the functions of
//! `examples/cities`, all places; and what a newcomer does next.

use crate::client::Client;
use crate::server::{Data, free_address, repository};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const PLACES: u64 = 135_233;
/// The whole load, in a build that is not optimised for speed.
const PATIENCE: Duration = Duration::from_secs(240);

/// Starts `tools/up.ts` and reads what it prints until `last`.
async fn up(data: &Data, listen: &str, last: &str) -> (Child, String) {
    let root = repository();
    let mut child = Command::new(root.join("tools/bun"))
        .args(["tools/up.ts", env!("CARGO_BIN_EXE_bunbase")])
        .current_dir(&root)
        .env("BUNBASE_DATA_DIR", data.path())
        .env("BUNBASE_LISTEN", listen)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            text.push_str(&line);
            text.push('\n');
            if line.contains(last) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it gets there in time");
    assert!(text.contains(last), "{text}");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, text)
}

async fn end(mut child: Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}

fn state(data: &Data) -> Value {
    let path = data.path().join("demo.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn the_demo_is_loaded_once_and_answers() {
    let (data, listen) = (Data::new(), free_address());
    let (child, text) = up(&data, &listen, "Ctrl-C").await;
    assert_eq!(text.matches("\n  curl ").count(), 3, "{text}");
    let kept = state(&data);
    assert_eq!(kept["done"], true);
    let client = Client::new(&format!("http://{listen}"));
    let public = client.with_key(kept["public_key"].as_str().unwrap());
    answers(&public).await;
    let secret = client.with_key(kept["secret_key"].as_str().unwrap());
    let places = secret.get("/v1/database/collections/places").await.expect(200);
    assert_eq!(places["documents"], PLACES);
    end(child).await;

    let (child, text) = up(&data, &listen, "demo.json").await;
    assert!(!text.contains("places"), "loaded again: {text}");
    assert_eq!(state(&data), kept);
    answers(&public).await;
    end(child).await;
}

async fn answers(public: &Client) {
    let nearest = public.get("/v1/functions/nearest?lat=48.85&lon=2.35&limit=3").await.expect(200);
    assert_eq!(nearest["places"][0]["name"], "Paris");
    assert_eq!(nearest["places"].as_array().unwrap().len(), 3);
    let first = public.get("/v1/functions/search?q=san&country=US&limit=5").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = public
        .get(&format!("/v1/functions/search?q=san&country=US&limit=5&cursor={cursor}"))
        .await
        .expect(200);
    assert_ne!(first["places"], second["places"]);
    let stats = public.get("/v1/functions/stats").await.expect(200);
    assert_eq!(stats["by_places"][0]["country"], "US");
    let visit = json!({ "place": "2988507", "visitor": "Ada" });
    public.post("/v1/functions/visit", visit).await.expect(201);
    assert_eq!(public.post("/v1/functions/visit", json!({})).await.status, 400);
    let query = json!({ "query": { "country": "IS" }, "sort": { "population": -1 }, "limit": 3 });
    let found = public.post("/v1/database/collections/places/documents/query", query).await.expect(200);
    assert_eq!(found["documents"][0]["name"], "Reykjavík");
    assert!(public.get("/v1/database/collections/visits/documents").await.status == 403);
}
