//! Topics that keep a log: what is answered is kept, and a subscriber that begins with an offset gets
//! everything once.

use crate::support::{World, events, project, soon, texts, topic, wish};
use buncast::{BuncastConfig, Consumer, Item, Subscription};
use http::Method;
use ports::events::{BusError, Realm, SlowPolicy};
use ports::lifecycle::ProjectLifecycle as _;
use serde_json::json;
use std::sync::Arc;

pub(crate) fn key(realm: &Realm) -> String {
    let Realm::Project(project) = realm else { panic!("a project") };
    format!("sk_{project}")
}

pub(crate) async fn declare(world: &World, realm: &Realm, name: &str) {
    let answer =
        world.with_key(&key(realm), Method::PUT, &format!("/v1/events/{name}"), r#"{"durable": true}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The next `count` events; their offsets have to follow `from` without a gap.
async fn from(subscription: &mut Subscription, from: u64, count: usize) {
    let found = events_up_to(subscription, count).await;
    let offsets: Vec<_> = found.iter().map(|event| event.offset.unwrap()).collect();
    assert_eq!(offsets, (from..from + count as u64).collect::<Vec<_>>());
    assert!(found.iter().all(|event| event.payload == event.offset.unwrap().to_string()));
}

async fn events_up_to(subscription: &mut Subscription, count: usize) -> Vec<ports::events::Event> {
    let mut found = Vec::new();
    while found.len() < count {
        match soon(subscription.next()).await.unwrap() {
            Item::Events(part) => found.extend(part.events()),
            other => panic!("an event was expected, not {other:?}"),
        }
    }
    found
}

#[tokio::test]
async fn a_replay_goes_over_into_live_without_gap_or_repetition() {
    let world = Arc::new(World::start().await);
    let realm = project();
    declare(&world, &realm, "orders").await;
    for number in 0..500_u64 {
        assert_eq!(world.publish(&realm, "orders", &number.to_string()).await, Some(number));
    }
    // Publications go on while subscribers read the log.
    let publisher = tokio::spawn({
        let (world, realm) = (world.clone(), realm.clone());
        async move {
            for number in 500..1_500_u64 {
                world.publish(&realm, "orders", &number.to_string()).await;
            }
        }
    });
    let mut subscriptions = Vec::new();
    for start in [0, 1, 250, 499, 500] {
        subscriptions.push((start, world.subscribe_from(&realm, "orders", start).await));
    }
    for (start, subscription) in &mut subscriptions {
        from(subscription, *start, 1_500 - *start as usize).await;
    }
    publisher.await.unwrap();
}

#[tokio::test]
async fn a_restart_loses_and_repeats_nothing() {
    let realm = project();
    let mut world = World::start().await;
    declare(&world, &realm, "orders").await;
    for round in 0..3_u64 {
        for number in round * 100..(round + 1) * 100 {
            assert_eq!(world.publish(&realm, "orders", &number.to_string()).await, Some(number));
        }
        world = world.restart().await;
        let mut subscription = world.subscribe_from(&realm, "orders", 0).await;
        from(&mut subscription, 0, (round as usize + 1) * 100).await;
    }
}

#[tokio::test]
async fn publishers_at_the_same_time_share_a_sync_and_get_different_numbers() {
    let world = Arc::new(World::start().await);
    let realm = project();
    declare(&world, &realm, "orders").await;
    let publishers = (0..200).map(|number| {
        let (world, realm) = (world.clone(), realm.clone());
        tokio::spawn(async move { world.publish(&realm, "orders", &number.to_string()).await.unwrap() })
    });
    let mut offsets = Vec::new();
    for publisher in publishers.collect::<Vec<_>>() {
        offsets.push(publisher.await.unwrap());
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_offset_that_is_gone_begins_with_the_oldest_and_says_so() {
    let config =
        BuncastConfig { segment_bytes: 1_000, retention_check_seconds: 1, ..BuncastConfig::default() };
    let world = World::with(config).await;
    let realm = project();
    let body = r#"{"durable": true, "retention": {"max_bytes": 65536}}"#;
    world.with_key(&key(&realm), Method::PUT, "/v1/events/a", body).await;
    let payload = "x".repeat(1_000);
    for _ in 0..200 {
        world.publish(&realm, "a", &payload).await;
    }
    // The next look of the service at its logs removes what is too much.
    let first = soon(async {
        loop {
            let list = world.with_key(&key(&realm), Method::GET, "/v1/events", "").await.body;
            let first = list["topics"][0]["log"]["first_offset"].as_u64().unwrap();
            if first > 0 {
                return first;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut subscription = world.subscribe_from(&realm, "a", 0).await;
    assert!(matches!(soon(subscription.next()).await, Ok(Item::Resync)));
    let found = events_up_to(&mut subscription, 200 - first as usize).await;
    assert_eq!(found.first().and_then(|event| event.offset), Some(first));
    assert_eq!(found.last().and_then(|event| event.offset), Some(199));
    let mut ahead = world.subscribe_from(&realm, "a", 1_000).await;
    assert!(matches!(soon(ahead.next()).await, Ok(Item::Resync)));
}

#[tokio::test]
async fn an_offset_needs_one_durable_topic() {
    let world = World::start().await;
    let realm = project();
    declare(&world, &realm, "orders").await;
    world.publish(&realm, "memory", "x").await;
    for pattern in ["memory", "unknown", "orders.*", ">"] {
        let wish = wish(&realm, pattern, Some(0), SlowPolicy::DropOldest);
        let refused = world.broker().subscribe_as(wish, Consumer::Process).await;
        assert!(matches!(refused, Err(BusError::NotDurable)), "{pattern}");
    }
}

#[tokio::test]
async fn a_topic_that_was_removed_begins_anew() {
    let world = World::start().await;
    let realm = project();
    declare(&world, &realm, "orders").await;
    world.publish(&realm, "orders", "old").await;
    let mut live = world.subscribe(&realm, "orders", SlowPolicy::DropOldest).await;
    let removed = world.with_key(&key(&realm), Method::DELETE, "/v1/events/orders", "").await;
    assert_eq!(removed.status, 204);
    assert_eq!(world.publish(&realm, "orders", "memory").await, None);
    assert_eq!(texts(&events(&mut live, 1).await), ["memory"]);
    declare(&world, &realm, "orders").await;
    assert_eq!(world.publish(&realm, "orders", "new").await, Some(0));
    let mut replay = world.subscribe_from(&realm, "orders", 0).await;
    assert_eq!(texts(&events(&mut replay, 1).await), ["new"]);
}

#[tokio::test]
async fn a_project_that_is_removed_leaves_nothing_on_disk() {
    let world = World::start().await;
    let (realm, other) = (project(), project());
    for realm in [&realm, &other] {
        declare(&world, realm, "orders").await;
        world.publish(realm, "orders", "x").await;
        let rules = json!({"rules": [{"path": "orders", "read": "true"}]}).to_string();
        world.with_key(&key(realm), Method::PUT, "/v1/event-rules", &rules).await;
    }
    let Realm::Project(project) = &realm else { panic!("a project") };
    world.service.purge(project).await.unwrap();
    let logs = world.directory.path().join("events");
    assert!(!logs.join(project.as_str()).exists());
    let world = world.restart().await;
    let list = |realm: &Realm| {
        let key = key(realm);
        let world = &world;
        async move {
            world.with_key(&key, Method::GET, "/v1/events", "").await.body["topics"].as_array().unwrap().len()
        }
    };
    assert_eq!((list(&realm).await, list(&other).await), (0, 1));
    let rules = world.with_key(&key(&realm), Method::GET, "/v1/event-rules", "").await;
    assert_eq!(rules.body, json!({"rules": []}));
}

#[tokio::test]
async fn a_damaged_log_stops_its_own_topic_only() {
    let world = World::start().await;
    let realm = project();
    for name in ["bad", "good"] {
        declare(&world, &realm, name).await;
        for payload in ["one", "two"] {
            world.publish(&realm, name, payload).await;
        }
    }
    world.service.shutdown().await;
    let damaged = find_log(world.directory.path(), "bad");
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[52] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let world = world.restart().await;
    let refused = world.broker();
    let refused = ports::events::EventBus::publish(refused, &realm, &topic("bad"), bytes::Bytes::new()).await;
    let Err(BusError::Unavailable(cause)) = refused else { panic!("{refused:?}") };
    assert!(cause.to_string().contains(damaged.to_str().unwrap()), "{cause}");
    assert_eq!(world.publish(&realm, "good", "three").await, Some(2));
    // The way out that the message names.
    world.with_key(&key(&realm), Method::DELETE, "/v1/events/bad", "").await;
    declare(&world, &realm, "bad").await;
    assert_eq!(world.publish(&realm, "bad", "anew").await, Some(0));
}

/// The log file with the event of the topic `name`; each topic has one directory, found by trying.
fn find_log(root: &std::path::Path, name: &str) -> std::path::PathBuf {
    use sha2::Digest as _;
    let directory = hex::encode(sha2::Sha256::digest(name.as_bytes()));
    let projects = std::fs::read_dir(root.join("events")).unwrap();
    let mut logs = projects.map(|project| project.unwrap().path().join(&directory));
    logs.find(|log| log.exists()).unwrap().join(format!("{:020}.log", 0))
}
