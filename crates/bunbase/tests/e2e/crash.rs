//! `kill -9` at random moments under concurrent writers: every answered write is there afterwards.

use crate::client::Client;
use crate::ledger;
use crate::server::{Data, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WRITERS: usize = 8;

/// The rounds of this run: 20, or `BUNBASE_CRASH_ROUNDS` (`make soak`: 200).
fn rounds() -> u64 {
    std::env::var("BUNBASE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// What the server has answered: id → the last value that was acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<String, u64>>>;

/// Writes until the server is gone.
async fn write(client: Client, writer: usize, round: u64, acknowledged: Acknowledged) {
    for n in 0_u64.. {
        let id = format!("w{writer}-{round}-{}", n / 2);
        let path = format!("/v1/database/collections/crash/documents/{id}");
        let body = json!({ "value": n, "padding": "x".repeat(200) });
        let sent = client.request(reqwest::Method::PUT, &path).json(&body).send().await;
        let Ok(response) = sent else { return };
        if response.status().is_success() {
            acknowledged.lock().unwrap().insert(id, n);
        }
    }
}

async fn missing(client: &Client, acknowledged: &BTreeMap<String, u64>) -> Vec<String> {
    let mut stored = BTreeMap::new();
    let mut cursor = Value::Null;
    loop {
        let mut query = json!({ "query": {}, "limit": 1000, "fields": ["value"] });
        if !cursor.is_null() {
            query["cursor"] = cursor;
        }
        let page = client.post("/v1/database/collections/crash/documents/query", query).await.expect(200);
        for document in page["documents"].as_array().unwrap() {
            stored.insert(document["_id"].as_str().unwrap().to_owned(), document["value"].as_u64().unwrap());
        }
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    // A later value than the acknowledged one was being written when the server died.
    let lost = acknowledged.iter().filter(|(id, value)| stored.get(*id).is_none_or(|found| found < value));
    lost.map(|(id, value)| format!("{id}={value}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_keeps_every_answered_write() {
    let data = Data::new();
    let mut server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("crash").await;
    let acknowledged = Acknowledged::default();
    // A fixed sequence of moments (a linear congruential generator), so that a failing run can be repeated.
    let mut moment = 0x2545_F491_u64;
    for round in 0..rounds() {
        let client = server.client().with_key(&project.secret_key);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(client.clone(), writer, round, acknowledged.clone())))
            .collect();
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let before_kill = Duration::from_millis(20 + (moment >> 33) % 300);
        tokio::time::sleep(before_kill).await;
        server.kill().await;
        for writer in writers {
            writer.await.unwrap();
        }
        server = Server::start(&data).await;
        let client = server.client().with_key(&project.secret_key);
        let snapshot = acknowledged.lock().unwrap().clone();
        assert_eq!(missing(&client, &snapshot).await, Vec::<String>::new(), "round {round}");
    }
    assert!(acknowledged.lock().unwrap().len() > 100, "the writers wrote something");
    server.stop().await;
}

/// Inserts through an action until the server is gone.
async fn insert(client: Client, path: String, writer: String, acknowledged: Arc<Mutex<Vec<String>>>) {
    for n in 0_u64.. {
        let id = format!("{writer}-{n}");
        let sent = client.request(reqwest::Method::POST, &path).json(&json!({ "id": id })).send().await;
        let Ok(response) = sent else { return };
        if response.status().is_success() {
            acknowledged.lock().unwrap().push(id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_keeps_every_row_that_an_action_was_answered_for() {
    let (data, directory) = (Data::new(), ledger::ledger());
    let mut server = Server::start(&data).await;
    let project = server.client().set_up().await.project("crash").await;
    ledger::done(&ledger::run(&server, &project, directory.path(), &["deploy"]));
    let (path, acknowledged) = (ledger::entries(&project), Arc::new(Mutex::new(Vec::new())));
    for round in 0..rounds().div_ceil(4) {
        // The first call starts the worker.
        server.client().get(&path).await.expect(200);
        let before = acknowledged.lock().unwrap().len();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| format!("{round}-{writer}"))
            .map(|writer| tokio::spawn(insert(server.client(), path.clone(), writer, acknowledged.clone())))
            .collect();
        let wanted = before + 50 + usize::try_from(round * 7).unwrap();
        let written = async {
            while acknowledged.lock().unwrap().len() < wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), written).await.expect("rows are written");
        server.kill().await;
        for writer in writers {
            writer.await.unwrap();
        }
        server = Server::start(&data).await;
        let rows = server.client().get(&path).await.expect(200);
        let stored: Vec<_> = rows["data"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
        let lost: Vec<_> =
            acknowledged.lock().unwrap().iter().filter(|id| !stored.contains(&&json!(id))).cloned().collect();
        assert_eq!(lost, Vec::<String>::new(), "round {round}");
    }
    server.stop().await;
}
