//! `kill -9` at random moments: this test runs itself as a child that publishes and prints each offset that
//! was answered; the parent kills it, opens the log, and looks for every one. `BUNBASE_CRASH_ROUNDS` sets
//! the number of rounds.

use crate::durable::{declare, key};
use crate::support::{World, soon};
use buncast::{BuncastConfig, Item};
use http::Method;
use ports::events::Realm;
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "BUNBASE_CRASH_CHILD";
const PUBLISHERS: usize = 8;
const PROJECT: &str = "prj_0123456789abcdef0123456789abcdef";

fn realm() -> Realm {
    Realm::Project(ProjectId::parse(PROJECT).unwrap())
}

/// Small files, so that crashes meet their beginnings too.
async fn open(directory: Arc<tempfile::TempDir>) -> World {
    World::at(directory, BuncastConfig { segment_bytes: 4_096, ..BuncastConfig::default() }).await
}

async fn child(path: &str, round: u64) {
    let deps = buncast::BuncastDeps { data_dir: path.into(), drain: service_kit::drain::Drain::new() };
    let config = BuncastConfig { segment_bytes: 4_096, ..BuncastConfig::default() };
    let service = buncast::BuncastService::start(config, deps).await.unwrap();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let bus = service.bus();
            tokio::spawn(async move {
                for step in 0_u64.. {
                    let payload = format!("r{round}p{publisher}s{step}");
                    let topic = crate::support::topic("orders");
                    let offset =
                        bus.publish(&realm(), &topic, payload.clone().into()).await.unwrap().unwrap();
                    std::io::stdout().lock().write_all(format!("{offset} {payload}\n").as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

/// Runs a child for a while and returns what it was answered.
fn crash(path: &Path, round: u64) -> BTreeMap<u64, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::answered_events_survive_a_kill", "--nocapture"])
        .env(CHILD, format!("{round} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = lines.map_while(Result::ok).filter_map(|line| {
        let (offset, payload) = line.split_once(' ')?;
        Some((offset.parse().ok()?, payload.to_owned()))
    });
    // The time counts from the first answer, so that every round has some.
    let mut found = BTreeMap::from([answered.next().expect("the child ended before it published")]);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || answered.collect::<Vec<(u64, String)>>());
        // Nobody sends; what waits on a thread's own parking would be woken by the one that reads.
        let (_sender, nobody) = std::sync::mpsc::channel::<()>();
        let _ = nobody.recv_timeout(Duration::from_millis(20 + 37 * round % 150));
        child.kill().unwrap();
        child.wait().unwrap();
        found.extend(reader.join().unwrap());
    });
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_events_survive_a_kill() {
    if let Ok(task) = std::env::var(CHILD) {
        let (round, path) = task.split_once(' ').unwrap();
        return child(path, round.parse().unwrap()).await;
    }
    let rounds = std::env::var("BUNBASE_CRASH_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap());
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let world = open(directory.clone()).await;
    declare(&world, &realm(), "orders").await;
    world.service.shutdown().await;
    drop(world);
    let mut answered = BTreeMap::new();
    for round in 0..rounds {
        answered.extend(crash(directory.path(), round));
        let world = open(directory.clone()).await;
        check(&world, &answered).await;
        world.service.shutdown().await;
    }
}

/// Offsets have no gap, and every event that was answered stands under its offset.
async fn check(world: &World, answered: &BTreeMap<u64, String>) {
    let mut subscription = world.subscribe_from(&realm(), "orders", 0).await;
    let list = world.with_key(&key(&realm()), Method::GET, "/v1/events", "").await.body;
    let next = list["topics"][0]["log"]["next_offset"].as_u64().unwrap();
    let mut expected = 0;
    while expected < next {
        let Item::Events(part) = soon(subscription.next()).await.unwrap() else { panic!("an event") };
        for event in part.events() {
            assert_eq!(event.offset, Some(expected));
            if let Some(payload) = answered.get(&expected) {
                assert_eq!(event.payload, payload.as_bytes());
            }
            expected += 1;
        }
    }
    assert!(answered.last_key_value().is_none_or(|(offset, _)| *offset < next));
}
