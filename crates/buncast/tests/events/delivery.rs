//! Who gets which events, in which order, and what a slow subscriber loses.

use crate::support::{World, events, project, soon, texts, topic, wish};
use buncast::{BuncastConfig, Consumer, Ended, Item};
use bytes::Bytes;
use futures_util::StreamExt as _;
use ports::events::{BusError, Delivery, EventBus as _, Realm, SlowPolicy};
use ports::lifecycle::ProjectLifecycle as _;
use std::sync::Arc;

const SLOW: SlowPolicy = SlowPolicy::DropOldest;

#[tokio::test]
async fn every_subscriber_sees_a_topic_in_one_order() {
    let world = Arc::new(World::start().await);
    let realm = project();
    let mut one = world.subscribe(&realm, "a", SLOW).await;
    let mut two = world.subscribe(&realm, ">", SLOW).await;
    let publishers = (0..4).map(|publisher| {
        let (world, realm) = (world.clone(), realm.clone());
        tokio::spawn(async move {
            for number in 0..250 {
                world.publish(&realm, "a", &format!("{publisher} {number}")).await;
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    let seen = texts(&events(&mut one, 1_000).await);
    assert_eq!(seen, texts(&events(&mut two, 1_000).await));
    for publisher in 0..4 {
        let of = seen.iter().filter(|text| text.starts_with(&format!("{publisher} ")));
        assert!(of.enumerate().all(|(number, text)| *text == format!("{publisher} {number}")));
    }
}

#[tokio::test]
async fn patterns_reach_what_they_match() {
    let world = World::start().await;
    let realm = project();
    let mut all = world.subscribe(&realm, "db.>", SLOW).await;
    let mut one = world.subscribe(&realm, "db.*.changed", SLOW).await;
    for name in ["db.users.changed", "db.users", "kv.users.changed", "db.a.b.changed"] {
        world.publish(&realm, name, name).await;
    }
    assert_eq!(texts(&events(&mut all, 3).await), ["db.users.changed", "db.users", "db.a.b.changed"]);
    assert_eq!(texts(&events(&mut one, 1).await), ["db.users.changed"]);
    world.publish(&realm, "db.orders.changed", "last").await;
    assert_eq!(texts(&events(&mut one, 1).await), ["last"]);
}

#[tokio::test]
async fn two_projects_with_the_same_topics_never_meet() {
    let world = World::start().await;
    let (one, two) = (project(), project());
    let mut of_one = world.subscribe(&one, ">", SLOW).await;
    let mut of_two = world.subscribe(&two, "a", SLOW).await;
    let mut of_system = world.subscribe(&Realm::System, ">", SLOW).await;
    world.publish(&one, "a", "one").await;
    world.publish(&two, "a", "two").await;
    world.publish(&Realm::System, "a", "system").await;
    assert_eq!(texts(&events(&mut of_one, 1).await), ["one"]);
    assert_eq!(texts(&events(&mut of_two, 1).await), ["two"]);
    assert_eq!(texts(&events(&mut of_system, 1).await), ["system"]);
    world.publish(&one, "a", "end").await;
    assert_eq!(texts(&events(&mut of_one, 1).await), ["end"]);
}

fn small() -> BuncastConfig {
    BuncastConfig { subscription_events_max: 10, ..BuncastConfig::default() }
}

#[tokio::test]
async fn a_slow_subscriber_loses_the_oldest_and_is_told() {
    let world = World::with(small()).await;
    let realm = project();
    let mut deliveries = world.broker().subscribe(wish(&realm, "a", None, SLOW)).await.unwrap();
    for number in 0..25 {
        world.publish(&realm, "a", &number.to_string()).await;
    }
    assert!(matches!(deliveries.next().await, Some(Ok(Delivery::Missed(15)))));
    for number in 15..25 {
        let Some(Ok(Delivery::Event(event))) = deliveries.next().await else { panic!("an event") };
        assert_eq!(event.payload, number.to_string());
    }
}

#[tokio::test]
async fn a_slow_subscriber_that_wants_to_be_is_disconnected() {
    let world = World::with(small()).await;
    let realm = project();
    let wish = wish(&realm, "a", None, SlowPolicy::Disconnect);
    let mut deliveries = world.broker().subscribe(wish).await.unwrap();
    for number in 0..25 {
        world.publish(&realm, "a", &number.to_string()).await;
    }
    assert!(matches!(deliveries.next().await, Some(Err(BusError::TooSlow))));
    assert!(deliveries.next().await.is_none());
}

#[tokio::test]
async fn a_slow_subscriber_that_wants_the_newest_gets_it() {
    let world = World::with(small()).await;
    let realm = project();
    let mut subscription = world.subscribe(&realm, ">", SlowPolicy::Coalesce).await;
    for number in 0..25 {
        world.publish(&realm, &format!("t{}", number % 3), &number.to_string()).await;
    }
    assert!(matches!(subscription.next().await, Ok(Item::Missed(22))));
    assert_eq!(texts(&events(&mut subscription, 3).await), ["24", "22", "23"]);
}

#[tokio::test]
async fn a_hundred_subscribers_that_do_not_read_hold_no_more_than_they_may() {
    let config = BuncastConfig {
        payload_bytes_max: 60 << 10,
        subscription_bytes_max: 256 << 10,
        realm_bytes_max: 1 << 20,
        ..BuncastConfig::default()
    };
    let world = World::with(config).await;
    let realm = project();
    let mut subscriptions = Vec::new();
    for number in 0..100 {
        subscriptions.push(world.subscribe(&realm, &format!("t{number}"), SLOW).await);
    }
    let payload = "x".repeat(50 << 10);
    for round in 0..20 {
        for number in 0..100 {
            world.publish(&realm, &format!("t{number}"), &payload).await;
        }
        let held =
            world.call(http::Method::GET, "/v1/buncast/topics", &[("authorization", "Bearer operator")], "");
        let held = held.await.body["buffered_bytes"].as_u64().unwrap();
        assert!(held <= 1 << 20, "{held} bytes in round {round}");
    }
    // All were told, or have what came last.
    for subscription in &mut subscriptions {
        assert!(matches!(soon(subscription.next()).await, Ok(Item::Missed(_))));
    }
}

#[tokio::test]
async fn a_project_that_holds_much_does_not_silence_another() {
    let config = BuncastConfig {
        realm_bytes_max: 4 << 20,
        buffered_bytes_max: 4 << 20,
        subscription_bytes_max: 4 << 20,
        ..BuncastConfig::default()
    };
    let world = World::with(config).await;
    let (greedy, other) = (project(), project());
    let _holds = world.subscribe(&greedy, ">", SLOW).await;
    let payload = "x".repeat(900 << 10);
    for _ in 0..4 {
        world.publish(&greedy, "a", &payload).await;
    }
    let mut reads = world.subscribe(&other, "a", SLOW).await;
    world.publish(&other, "a", &payload).await;
    assert_eq!(events(&mut reads, 1).await[0].payload.len(), payload.len());
}

#[tokio::test]
async fn limits_have_their_own_answers() {
    let config = BuncastConfig {
        payload_bytes_max: 10,
        subscriptions_per_realm_max: 2,
        subscriptions_max: 3,
        topics_per_realm_max: 4,
        ..BuncastConfig::default()
    };
    let world = World::with(config).await;
    let (realm, other) = (project(), project());
    let broker = world.broker();
    let large = broker.publish(&realm, &topic("a"), Bytes::from_static(&[0; 11])).await;
    assert!(matches!(large, Err(BusError::TooLarge { max: 10 })));
    let subscribe = |realm: &Realm| broker.subscribe_as(wish(realm, "a", None, SLOW), Consumer::Client);
    let _held = (subscribe(&realm).await.unwrap(), subscribe(&realm).await.unwrap());
    assert!(matches!(subscribe(&realm).await, Err(BusError::Limit(_))));
    let last = subscribe(&other).await.unwrap();
    assert!(matches!(subscribe(&other).await, Err(BusError::Limit(_))));
    drop(last);
    subscribe(&other).await.unwrap();
    // Topics that were only published to are forgotten for others; those that are declared are not.
    for number in 0..20 {
        world.publish(&realm, &format!("t{number}"), "x").await;
    }
    let key = format!("sk_{}", id(&realm));
    for number in 0..4 {
        let path = format!("/v1/events/d{number}");
        let declared = world.with_key(&key, http::Method::PUT, &path, r#"{"durable": false}"#).await;
        assert_eq!(declared.status, 200, "{declared:?}");
    }
    assert!(matches!(broker.publish(&realm, &topic("e"), Bytes::new()).await, Err(BusError::Limit(_))));
}

fn id(realm: &Realm) -> String {
    let Realm::Project(project) = realm else { panic!("a project") };
    project.to_string()
}

#[tokio::test]
async fn demand_follows_subscriptions_and_logs() {
    let world = World::start().await;
    let realm = project();
    let demand = world.broker().demand();
    let wants = |name: &str| demand.borrow().wants(&realm, &topic(name));
    let subscription = world.subscribe(&realm, "db.*", SLOW).await;
    assert!(wants("db.a") && !wants("kv.a"));
    drop(subscription);
    assert!(!wants("db.a"));
    let key = format!("sk_{}", id(&realm));
    world.with_key(&key, http::Method::PUT, "/v1/events/db.a", r#"{"durable": true}"#).await;
    assert!(wants("db.a"));
    world.with_key(&key, http::Method::DELETE, "/v1/events/db.a", "").await;
    assert!(!wants("db.a"));
}

#[tokio::test]
async fn a_project_that_is_removed_takes_its_subscriptions_along() {
    let world = World::start().await;
    let (realm, other) = (project(), project());
    let mut gone = world.subscribe(&realm, ">", SLOW).await;
    let mut stays = world.subscribe(&other, ">", SLOW).await;
    let Realm::Project(project) = &realm else { panic!("a project") };
    world.service.purge(project).await.unwrap();
    world.service.purge(project).await.unwrap();
    assert!(matches!(soon(gone.next()).await, Err(Ended::Removed)));
    world.publish(&other, "a", "still here").await;
    assert_eq!(texts(&events(&mut stays, 1).await), ["still here"]);
}
