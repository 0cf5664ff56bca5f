//! Changes of documents on the event bus.

use crate::support::World;
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use ports::events::{BusError, Deliveries, Demand, EventBus, Pattern, Realm, Subscribe, Topic};
use ports::lifecycle::ProjectLifecycle;
use serde_json::{Value, json};
use service_kit::ids::ProjectId;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};

/// A bus that keeps what is published.
struct StandInBus {
    demand: watch::Sender<Arc<Demand>>,
    published: mpsc::UnboundedSender<(Realm, String, Value)>,
    /// Payloads above this are refused.
    bytes_max: usize,
    /// Publishings that fail before the bus is there again.
    failures: Mutex<usize>,
}

#[async_trait]
impl EventBus for StandInBus {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(BusError::Unavailable("away".into()));
            }
        }
        if payload.len() > self.bytes_max {
            return Err(BusError::TooLarge { max: self.bytes_max });
        }
        let payload = serde_json::from_slice(&payload).unwrap();
        self.published.send((realm.clone(), topic.as_str().to_owned(), payload)).unwrap();
        Ok(None)
    }

    async fn subscribe(&self, _: Subscribe) -> Result<Deliveries, BusError> {
        Err(BusError::Limit("nobody subscribes here"))
    }

    fn demand(&self) -> watch::Receiver<Arc<Demand>> {
        self.demand.subscribe()
    }
}

type Published = mpsc::UnboundedReceiver<(Realm, String, Value)>;

fn demand(project: &ProjectId, pattern: &str) -> Arc<Demand> {
    let patterns = Arc::from([Pattern::parse(pattern).unwrap()]);
    Arc::new([(Realm::Project(project.clone()), patterns)].into_iter().collect())
}

fn bus(begin: Arc<Demand>) -> (Arc<StandInBus>, Published) {
    let (published, receiver) = mpsc::unbounded_channel();
    let demand = watch::Sender::new(begin);
    (Arc::new(StandInBus { demand, published, bytes_max: 1_000, failures: Mutex::new(0) }), receiver)
}

/// Topic, type and document of the next one.
async fn next(published: &mut Published) -> (String, String, Value) {
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), published.recv());
    let (_, topic, payload) = next.await.expect("nothing was published").unwrap();
    (topic, payload["type"].as_str().unwrap().to_owned(), payload["docId"].clone())
}

#[tokio::test]
async fn changes_that_somebody_waits_for_are_published_and_no_others() {
    let world = World::start();
    let (project, other) = (world.project(), world.project());
    let (bus, mut published) = bus(demand(&project.id, "db.a%2Eb"));
    *bus.failures.lock().unwrap() = 2;
    world.server.bind_events(bus.clone());
    for one in [&project, &other] {
        one.put("notes", [json!({ "_id": "unwanted" })]).await;
        one.put("a.b", [json!({ "_id": "x", "n": 1 })]).await;
    }
    let (realm, topic, payload) = published.recv().await.unwrap();
    assert_eq!((realm, topic.as_str()), (Realm::Project(project.id.clone()), "db.a%2Eb"));
    assert_eq!(payload["document"], json!({ "_id": "x", "n": 1 }));
    assert_eq!((&payload["projectId"], &payload["collection"]), (&json!(project.id.as_str()), &json!("a.b")));
    assert!(payload["id"].is_string());
    project.put("a.b", [json!({ "_id": "large", "text": "x".repeat(2_000) })]).await;
    let (_, _, large) = published.recv().await.unwrap();
    assert_eq!((&large["docId"], &large["documentOmitted"]), (&json!("large"), &json!(true)));
    project.secret(Method::DELETE, "/collections/a.b/documents/x").send().await;
    assert_eq!(next(&mut published).await, ("db.a%2Eb".into(), "removed".into(), json!("x")));
    project.secret(Method::DELETE, "/collections/a.b").send().await;
    assert_eq!(next(&mut published).await, ("db.a%2Eb".into(), "dropped".into(), json!(null)));
}

#[tokio::test]
async fn demand_that_comes_later_begins_with_what_comes_then() {
    let world = World::start();
    let project = world.project();
    let (bus, mut published) = bus(Arc::default());
    world.server.bind_events(bus.clone());
    project.put("notes", [json!({ "_id": "before" })]).await;
    bus.demand.send_replace(demand(&project.id, "db.>"));
    // The relay begins some time after the demand: it is seen by what it publishes.
    let mut n = 0;
    let first = loop {
        project.put("notes", [json!({ "_id": format!("after{n}") })]).await;
        n += 1;
        if let Ok((_, _, payload)) = published.try_recv() {
            break payload;
        }
        tokio::task::yield_now().await;
    };
    assert!(first["docId"].as_str().unwrap().starts_with("after"), "{first}");
}

#[tokio::test]
async fn what_a_restart_left_out_is_published_then() {
    let world = World::start();
    let project = world.project();
    let id = project.id.clone();
    let wanted = demand(&id, "db.notes");
    let (first_bus, mut published) = bus(wanted.clone());
    world.server.bind_events(first_bus);
    project.put("notes", [json!({ "_id": "a" })]).await;
    assert_eq!(next(&mut published).await.2, json!("a"));
    let world = world.restart().await;
    let project = world.known(id);
    project.put("notes", [json!({ "_id": "b" })]).await;
    let (second_bus, mut published) = bus(wanted);
    world.server.bind_events(second_bus);
    let mut seen = Vec::new();
    while seen.last() != Some(&json!("b")) {
        seen.push(next(&mut published).await.2);
    }
    // The last one before the restart may come again.
    assert!(seen == [json!("b")] || seen == [json!("a"), json!("b")], "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_relay_does_not_bring_a_purged_project_back() {
    let world = World::start();
    let project = world.project();
    let (bus, mut published) = bus(demand(&project.id, ">"));
    world.server.bind_events(bus.clone());
    project.put("notes", [json!({ "_id": "a" })]).await;
    assert_eq!(next(&mut published).await.2, json!("a"));
    world.server.purge(&project.id).await.unwrap();
    bus.demand.send_replace(demand(&project.id, "db.>"));
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(project.secret(Method::GET, "/collections").send().await.body["collections"], json!([]));
    let at = ports::documents::At { project: &project.id, collection: "_system/relay" };
    assert!(ports::documents::Documents::get(&*world.server, at, "bus").await.unwrap().is_none());
}

#[tokio::test]
async fn events_of_a_batch_are_published_once_it_is_written_and_after_a_restart() {
    let world = World::start();
    let project = world.project();
    let emit = |payload: Value| json!({ "op": "emit", "topic": "orders.paid", "payload": payload });
    let insert = json!({ "op": "insert", "collection": "a", "document": { "_id": "x" } });
    let batch = |operations: Value| json!({ "operations": operations });
    let (first, mut published) = bus(Arc::default());
    *first.failures.lock().unwrap() = 2;
    world.server.bind_events(first);
    let wrote =
        project.secret(Method::POST, "/batch").json(&batch(json!([insert, emit(json!({ "n": 1 }))]))).await;
    assert_eq!(wrote.body["results"][1], json!({ "status": "noted" }), "{wrote:?}");
    let refused = project.secret(Method::POST, "/batch").json(&batch(json!([emit(json!(2)), insert]))).await;
    assert_eq!(refused.refusal(), (409, "document_exists"));
    let (realm, topic, message) = published.recv().await.unwrap();
    assert_eq!((realm, topic.as_str()), (Realm::Project(project.id.clone()), "orders.paid"));
    assert_eq!(message["payload"], json!({ "n": 1 }));
    let id = project.id.clone();
    drop(project);
    let world = world.restart().await;
    let project = world.known(id);
    let wrote = project.secret(Method::POST, "/batch").json(&batch(json!([emit(json!(3))]))).await;
    assert_eq!(wrote.status, 200, "{wrote:?}");
    let (second, mut published) = bus(Arc::default());
    world.server.bind_events(second);
    let (_, _, later) = published.recv().await.unwrap();
    // The first one may come again: with its id.
    let later = if later["id"] == message["id"] { published.recv().await.unwrap().2 } else { later };
    assert_eq!(later["payload"], 3);
    assert_ne!(later["id"], message["id"]);
}

#[tokio::test]
async fn events_are_for_secret_keys_and_have_a_bound() {
    let world = World::start();
    let project = world.project();
    let emit = |topic: &str, payload: Value| json!({ "operations": [{ "op": "emit", "topic": topic, "payload": payload }] });
    let public = project.public(Method::POST, "/batch").json(&emit("a", json!(1))).await;
    assert_eq!(public.refusal(), (403, "forbidden"));
    for (body, status, code) in [
        (emit("not a topic", json!(1)), 400, "invalid_name"),
        (emit("db.a", json!(1)), 400, "invalid_name"),
        (emit("a", json!("x".repeat(600_000))), 413, "limit_exceeded"),
    ] {
        let refused = project.secret(Method::POST, "/batch").json(&body).await;
        assert_eq!(refused.refusal(), (status, code));
        assert_eq!(refused.body["error"]["details"]["index"], 0);
    }
    let queued = json!({ "operations": [{ "op": "enqueue", "queue": "mails", "payload": { "to": "a" }, "options": {} }] });
    let noted = project.developer("member", Method::POST, "/batch").json(&queued).await;
    assert_eq!(noted.body["results"], json!([{ "status": "noted" }]), "{noted:?}");
}
