//! Streams of a collection's changes.

use crate::stream::{Event, Stream};
use crate::support::{Project, World};
use bundoc_server::DocumentsConfig;
use http::Method;
use ports::lifecycle::ProjectLifecycle;
use serde_json::{Value, json};
use service_kit::drain::Drain;
use service_kit::ids::EndUserId;
use std::time::Duration;

const OWN: &str = "request.auth.uid == resource.data.owner";

async fn subscribe(project: &Project<'_>, collection: &str) -> Stream {
    let path = format!("/collections/{collection}/subscribe");
    let mut stream = project.secret(Method::GET, &path).stream().await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    stream
}

async fn resume(project: &Project<'_>, collection: &str, id: &str) -> Stream {
    let path = format!("/collections/{collection}/subscribe");
    project.secret(Method::GET, &path).header("last-event-id", id).stream().await
}

async fn as_user(project: &Project<'_>, user: &EndUserId, claims: &Value) -> Stream {
    let call = project.public(Method::GET, "/collections/notes/subscribe");
    let mut stream = call.header("authorization", &format!("Bearer {user} {claims}")).stream().await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    stream
}

async fn patch(project: &Project<'_>, path: &str, body: Value) {
    let answer = project.secret(Method::PATCH, path).json(&body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn delete(project: &Project<'_>, path: &str) {
    assert_eq!(project.secret(Method::DELETE, path).send().await.status, 204);
}

#[tokio::test]
async fn changes_of_the_collection_come_in_order_and_no_others() {
    let world = World::start();
    let (project, other) = (world.project(), world.project());
    let path = "/collections/notes/subscribe";
    let mut stream = project.developer("viewer", Method::GET, path).stream().await;
    let connected = stream.next().await.unwrap();
    assert_eq!(connected.data, json!({ "projectId": project.id.as_str(), "collection": "notes" }));
    assert!(connected.id.is_some());
    other.put("notes", [json!({ "_id": "foreign" })]).await;
    project.put("others", [json!({ "_id": "elsewhere" })]).await;
    project.put("notes", [json!({ "_id": "a", "n": 1 }), json!({ "_id": "b" })]).await;
    patch(&project, "/collections/notes/documents/a", json!({ "n": 2 })).await;
    delete(&project, "/collections/notes/documents/b").await;
    let added = stream.next().await.unwrap();
    let document = json!({ "_id": "a", "n": 1 });
    assert_eq!(added.data, json!({ "type": "added", "docId": "a", "document": document }));
    assert_eq!(stream.next().await.unwrap().short(), "added b");
    let modified = stream.next().await.unwrap();
    assert_eq!((modified.short().as_str(), &modified.data["document"]["n"]), ("modified a", &json!(2)));
    let removed = stream.next().await.unwrap();
    assert_eq!(removed.data, json!({ "type": "removed", "docId": "b", "document": null }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_repeated_when_a_reader_comes_back_while_others_write() {
    const WRITERS: usize = 4;
    const WRITES: usize = 200;
    let world = World::start();
    let project = world.project();
    let mut stream = subscribe(&project, "notes").await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let call = |n: usize| {
                let id = format!("w{writer}n{n}");
                (project.secret(Method::POST, "/collections/notes/documents"), json!({ "_id": id }))
            };
            let calls: Vec<_> = (0..WRITES).map(call).collect();
            tokio::spawn(async move {
                for (call, body) in calls {
                    assert_eq!(call.json(&body).await.status, 201);
                }
            })
        })
        .collect();
    let mut events: Vec<Event> = Vec::new();
    while events.len() < WRITERS * WRITES {
        let event = stream.next().await.unwrap();
        assert_eq!(event.name, "change");
        events.push(event);
        // A reader that goes away after each few events, and comes back with the id of the last.
        if events.len().is_multiple_of(17) {
            stream = resume(&project, "notes", events.last().unwrap().id.as_deref().unwrap()).await;
            assert_eq!(stream.next().await.unwrap().name, "connected");
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let mut ids: Vec<_> = events.iter().map(Event::short).collect();
    for writer in 0..WRITERS {
        let prefix = format!("added w{writer}n");
        let own: Vec<usize> =
            ids.iter().filter_map(|id| id.strip_prefix(&prefix)).map(|n| n.parse().unwrap()).collect();
        assert_eq!(own, (0..WRITES).collect::<Vec<_>>(), "in order");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), WRITERS * WRITES);
}

#[tokio::test]
async fn a_reader_goes_on_after_a_restart() {
    let world = World::start();
    let project = world.project();
    let id = project.id.clone();
    let path = "/collections/notes/subscribe";
    let mut quiet = project.secret(Method::GET, path).stream().await;
    let before_all = quiet.next().await.unwrap().id.unwrap();
    let mut stream = subscribe(&project, "notes").await;
    project.put("notes", (0..3).map(|n| json!({ "_id": format!("a{n}") }))).await;
    let seen = stream.next().await.unwrap();
    drop((stream, quiet));
    project.put("notes", (0..700).map(|n| json!({ "_id": format!("b{n}") }))).await;

    let world = world.restart().await;
    let project = world.known(id);
    project.put("notes", [json!({ "_id": "c" })]).await;
    let mut stream = resume(&project, "notes", seen.id.as_deref().unwrap()).await;
    let mut wanted = vec!["connected".to_owned(), "added a1".to_owned(), "added a2".to_owned()];
    wanted.extend((0..700).map(|n| format!("added b{n}")));
    wanted.push("added c".to_owned());
    assert_eq!(stream.short(wanted.len()).await, wanted);
    project.put("notes", [json!({ "_id": "d" })]).await;
    assert_eq!(stream.short(1).await, ["added d"]);

    // Who got nothing yet goes on too, also with a parameter in place of the header.
    let path = format!("/collections/notes/subscribe?last_event_id={before_all}&key=pk_unused");
    let mut stream = project.secret(Method::GET, &path).stream().await;
    assert_eq!(stream.short(2).await, ["connected", "added a0"]);
}

#[tokio::test]
async fn a_place_that_is_none_here_is_told_as_resync() {
    let world = World::start();
    let (project, other) = (world.project(), world.project());
    for one in [&project, &other] {
        one.put("notes", [json!({ "_id": "a" })]).await;
    }
    let elsewhere = other.secret(Method::GET, "/collections/notes/subscribe").stream().await.next().await;
    let own = project.secret(Method::GET, "/collections/notes/subscribe").stream().await.next().await;
    let own = own.unwrap().id.unwrap();
    let (epoch, _) = own.split_once('-').unwrap();
    let future = format!("{epoch}-9999-0");
    for id in ["", "17", "offset:17", &elsewhere.unwrap().id.unwrap(), &future] {
        let mut stream = resume(&project, "notes", id).await;
        assert_eq!(stream.short(2).await, ["connected", "resync"], "{id}");
        let note = format!("n{}", id.len());
        project.put("notes", [json!({ "_id": note })]).await;
        assert_eq!(stream.short(1).await, [format!("added {note}")]);
    }
}

#[tokio::test]
async fn a_subscriber_sees_what_the_rules_let_it_see() {
    let world = World::start();
    let project = world.project();
    let closed = project.public(Method::GET, "/collections/notes/subscribe").send().await;
    assert_eq!(closed.refusal(), (403, "forbidden"));
    project.open("notes", json!({ "read": OWN })).await;
    let (ann, bob) = (EndUserId::generate(), EndUserId::generate());
    let mut of_ann = as_user(&project, &ann, &json!({})).await;
    let mut of_bob = as_user(&project, &bob, &json!({})).await;
    let note = |id: &str, owner: &EndUserId| json!({ "_id": id, "owner": owner.as_str() });
    project.put("notes", [note("a", &ann), note("b", &bob), note("given", &ann)]).await;
    patch(&project, "/collections/notes/documents/given", json!({ "owner": bob.as_str() })).await;
    delete(&project, "/collections/notes/documents/a").await;
    delete(&project, "/collections/notes/documents/given").await;
    project.put("notes", [note("ann's last", &ann), note("bob's last", &bob)]).await;
    let wanted = ["added a", "added given", "removed given", "removed a", "added ann's last"];
    assert_eq!(of_ann.short(5).await, wanted);
    assert_eq!(of_bob.short(4).await, ["added b", "added given", "removed given", "added bob's last"]);
}

#[tokio::test]
async fn new_rules_hold_at_once_and_have_a_subscriber_read_again() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": OWN })).await;
    let ann = EndUserId::generate();
    let mut of_ann = as_user(&project, &ann, &json!({})).await;
    let mut trusted = subscribe(&project, "notes").await;
    let rules = |read: &str| json!({ "rules": { "read": read } });
    patch(&project, "/collections/notes", rules("resource.data.open == true")).await;
    project.put("notes", [json!({ "_id": "own", "owner": ann.as_str() })]).await;
    project.put("notes", [json!({ "_id": "open", "open": true })]).await;
    assert_eq!(of_ann.short(2).await, ["resync", "added open"]);
    patch(&project, "/collections/notes", rules("false")).await;
    project.put("notes", [json!({ "_id": "hidden", "open": true })]).await;
    // One look at each change serves all subscribers: when one has seen it, the other was passed over.
    assert_eq!(trusted.short(3).await, ["added own", "added open", "added hidden"]);
    patch(&project, "/collections/notes", rules("true")).await;
    delete(&project, "/collections/notes/documents/open").await;
    assert_eq!(of_ann.short(3).await, ["resync", "resync", "removed open"]);
    assert_eq!(trusted.short(1).await, ["removed open"]);
}

#[tokio::test]
async fn a_dropped_collection_and_a_deleted_project_are_seen() {
    let world = World::start();
    let project = world.project();
    project.put("notes", [json!({ "_id": "a" })]).await;
    let mut stream = subscribe(&project, "notes").await;
    let mut other = subscribe(&project, "others").await;
    delete(&project, "/collections/notes").await;
    project.put("notes", [json!({ "_id": "b" })]).await;
    assert_eq!(stream.short(2).await, ["resync", "added b"]);
    world.server.purge(&project.id).await.unwrap();
    for stream in [&mut stream, &mut other] {
        assert_eq!(stream.next().await.unwrap().name, "resync");
        let close = stream.next().await.unwrap();
        assert_eq!((close.name.as_str(), &close.data["reason"]), ("close", &json!("project_deleted")));
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_streams_within_5_seconds() {
    let world = World::start();
    let project = world.project();
    let mut revoked = subscribe(&project, "notes").await;
    let call = project.developer("viewer", Method::GET, "/collections/notes/subscribe");
    let mut kept = call.stream().await;
    world.access.revoke(&format!("sk_{}", project.id));
    let close = tokio::time::timeout(Duration::from_secs(5), revoked.next()).await.unwrap().unwrap();
    assert_eq!((close.name.as_str(), &close.data["reason"]), ("close", &json!("revoked")));
    assert_eq!(revoked.next().await, None);
    project
        .developer("owner", Method::POST, "/collections/notes/documents")
        .json(&json!({ "_id": "a" }))
        .await;
    assert_eq!(kept.short(2).await, ["connected", "added a"]);
}

#[tokio::test(start_paused = true)]
async fn changed_claims_hold_within_5_seconds() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": "request.auth.claims.level >= resource.data.level" })).await;
    let ann = EndUserId::generate();
    let mut stream = as_user(&project, &ann, &json!({ "level": 1 })).await;
    let level = |id: &str, level: u8| json!({ "_id": id, "level": level });
    project.put("notes", [level("a", 1), level("b", 2)]).await;
    assert_eq!(stream.short(1).await, ["added a"]);
    world.access.change_claims(&ann, json!({ "level": 2 }));
    let resync = tokio::time::timeout(Duration::from_secs(5), stream.short(1)).await.unwrap();
    assert_eq!(resync, ["resync"]);
    project.put("notes", [level("c", 3), level("d", 2)]).await;
    assert_eq!(stream.short(1).await, ["added d"]);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_to_read_again_and_goes_on() {
    let world = World::with(DocumentsConfig { subscription_events_max: 4, ..DocumentsConfig::default() });
    let project = world.project();
    let mut quick = subscribe(&project, "notes").await;
    let mut slow = subscribe(&project, "notes").await;
    for n in 0..22 {
        project.put("notes", [json!({ "_id": format!("n{n:02}") })]).await;
        assert_eq!(quick.short(1).await, [format!("added n{n:02}")]);
    }
    // Four fit; each fifth finds the box full and puts `resync` in the place of all.
    assert_eq!(slow.short(2).await, ["resync", "added n21"]);
}

#[tokio::test]
async fn subscriptions_have_a_limit_for_each_project_and_for_all() {
    let limits = DocumentsConfig {
        subscriptions_max: 3,
        subscriptions_per_project_max: 2,
        live_queries_per_project_max: 1,
        ..DocumentsConfig::default()
    };
    let world = World::with(limits);
    let (project, other) = (world.project(), world.project());
    let path = "/collections/notes/subscribe";
    let query = "/collections/notes/documents/query/subscribe";
    let first = project.secret(Method::POST, query).stream_with("{}").await;
    let refused = project.secret(Method::POST, query).json(&json!({})).await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    let _second = project.secret(Method::GET, path).stream().await;
    let refused = project.secret(Method::GET, path).send().await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), "5");
    let _third = other.secret(Method::GET, path).stream().await;
    let refused = other.secret(Method::GET, path).send().await;
    assert_eq!(refused.refusal(), (503, "overloaded"));
    drop(first);
    let _again = other.secret(Method::GET, path).stream().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_lives_and_ends_when_the_server_drains() {
    use http_body_util::BodyExt;
    let world = World::start();
    let project = world.project();
    let mut stream = subscribe(&project, "notes").await;
    let frame = tokio::time::timeout(Duration::from_secs(16), stream.body().frame()).await.unwrap();
    assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), ": ping\n\n");
    let drain = Drain::new();
    world.server.end_streams_on(drain.clone());
    drain.start();
    let close = stream.next().await.unwrap();
    assert_eq!((close.name.as_str(), &close.data["reason"]), ("close", &json!("shutting_down")));
    assert_eq!(stream.next().await, None);
    let refused = project.secret(Method::GET, "/collections/notes/subscribe").send().await;
    assert_eq!(refused.refusal(), (503, "shutting_down"));
}

#[tokio::test]
async fn a_stream_of_a_collection_of_a_service_is_not_there() {
    let world = World::start();
    let project = world.project();
    let hidden = project.secret(Method::GET, "/collections/_system%2Fusers/subscribe").send().await;
    assert_eq!(hidden.refusal(), (404, "collection_not_found"));
    let unknown = project.secret(Method::GET, "/collections/notes/subscribe?from=1").send().await;
    assert_eq!(unknown.refusal(), (400, "invalid_request"));
}
