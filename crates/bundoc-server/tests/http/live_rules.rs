//! Streams whose subscribers share what can be shared, and rules that look at more than the document.

use crate::stream::Stream;
use crate::support::{Project, World};
use http::Method;
use serde_json::{Value, json};
use service_kit::ids::EndUserId;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const QUERY: &str = "/collections/notes/documents/query/subscribe";
/// Within this a rule that looks elsewhere has its effect.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

async fn query_as(project: &Project<'_>, user: &EndUserId, query: Value) -> Stream {
    let call = project.public(Method::POST, QUERY).header("authorization", &format!("Bearer {user} {{}}"));
    let mut stream = call.stream_with(query.to_string()).await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    stream
}

async fn query(project: &Project<'_>, query: Value) -> Stream {
    let mut stream = project.secret(Method::POST, QUERY).stream_with(query.to_string()).await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    stream
}

async fn set(project: &Project<'_>, path: &str, fields: Value) {
    let answer = project.secret(Method::PATCH, path).json(&fields).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn delete(project: &Project<'_>, path: &str) {
    assert_eq!(project.secret(Method::DELETE, path).send().await.status, 204);
}

async fn soon(stream: &mut Stream, count: usize) -> Vec<String> {
    tokio::time::timeout(SEEN_WITHIN, stream.short(count)).await.expect("seen in time")
}

#[tokio::test]
async fn subscribers_to_equal_queries_get_the_same_and_go_by_themselves() {
    let world = World::start();
    let project = world.project();
    project.put("notes", [json!({ "_id": "a", "n": 1 }), json!({ "_id": "b", "n": 2 })]).await;
    let body = || json!({ "query": { "n": { "$lt": 2 } }, "fields": ["n"] });
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = query(&project, body()).await;
        assert_eq!(stream.short(2).await, ["added a", "ready"]);
        streams.push(stream);
    }
    // A change before and after some have gone, and one more who comes.
    set(&project, "/collections/notes/documents/b", json!({ "n": 0 })).await;
    drop(streams.split_off(3));
    let mut late = query(&project, body()).await;
    assert_eq!(late.short(3).await, ["added a", "added b", "ready"]);
    set(&project, "/collections/notes/documents/a", json!({ "n": 5 })).await;
    delete(&project, "/collections/notes/documents/b").await;
    for stream in &mut streams {
        let added = stream.next().await.unwrap();
        assert_eq!(added.data["document"], json!({ "_id": "b", "n": 0 }), "only the fields asked for");
        assert_eq!(stream.short(2).await, ["removed a", "removed b"]);
    }
    assert_eq!(late.short(2).await, ["removed a", "removed b"]);
    // All gone, and from the beginning.
    drop((streams, late));
    project.put("notes", [json!({ "_id": "c", "n": 1 })]).await;
    let mut again = query(&project, body()).await;
    assert_eq!(again.short(2).await, ["added c", "ready"]);
}

#[tokio::test]
async fn queries_for_different_values_of_a_field_get_what_is_theirs() {
    let world = World::start();
    let project = world.project();
    project.put("notes", [json!({ "_id": "first", "room": 0 })]).await;
    let mut rooms = Vec::new();
    for room in 0..20 {
        let mut stream = query(&project, json!({ "query": { "room": room } })).await;
        let known: &[&str] = if room == 0 { &["added first", "ready"] } else { &["ready"] };
        assert_eq!(stream.short(known.len()).await, known);
        rooms.push(stream);
    }
    // The first document goes from room to room; each next document is in two.
    for room in 1..20 {
        set(&project, "/collections/notes/documents/first", json!({ "room": room })).await;
        project.put("notes", [json!({ "_id": format!("n{room}"), "room": [room, room - 1] })]).await;
    }
    assert_eq!(rooms[0].short(2).await, ["removed first", "added n1"]);
    for (room, stream) in rooms.iter_mut().enumerate().skip(1) {
        let (own, next) = (format!("added n{room}"), format!("added n{}", room + 1));
        let wanted = ["added first", &own, "removed first", &next];
        let known = if room == 19 { &wanted[..2] } else { &wanted };
        assert_eq!(stream.short(known.len()).await, known, "{room}");
    }
}

#[tokio::test]
async fn subscribers_to_one_query_see_each_what_is_theirs() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "list": "resource.data.owner == request.auth.uid" })).await;
    let users: Vec<_> = (0..4).map(|_| EndUserId::generate()).collect();
    let note = |id: &str, owner: &EndUserId| json!({ "_id": id, "owner": owner.as_str() });
    let mut trusted = query(&project, json!({})).await;
    assert_eq!(trusted.short(1).await, ["ready"]);
    let mut streams = Vec::new();
    for user in &users {
        let mut stream = query_as(&project, user, json!({})).await;
        assert_eq!(stream.short(1).await, ["ready"]);
        streams.push(stream);
    }
    for (index, user) in users.iter().enumerate() {
        project.put("notes", [note(&format!("of{index}"), user)]).await;
    }
    set(&project, "/collections/notes/documents/of0", json!({ "owner": users[1].as_str() })).await;
    delete(&project, "/collections/notes/documents/of0").await;
    assert_eq!(streams[0].short(2).await, ["added of0", "removed of0"]);
    assert_eq!(streams[1].short(3).await, ["added of1", "added of0", "removed of0"]);
    assert_eq!(streams[2].short(1).await, ["added of2"]);
    let all = ["added of0", "added of1", "added of2", "added of3", "modified of0", "removed of0"];
    assert_eq!(trusted.short(6).await, all);
}

#[tokio::test(start_paused = true)]
async fn a_live_query_loses_and_gains_what_a_looked_up_document_decides_within_5_seconds() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": "get('teams/' + resource.data.team).open == true" })).await;
    project.put("teams", [json!({ "_id": "x", "open": true }), json!({ "_id": "y", "open": false })]).await;
    let note = |id: &str, team: &str| json!({ "_id": id, "team": team });
    project.put("notes", [note("a", "x"), note("b", "y"), note("c", "x")]).await;
    let ann = EndUserId::generate();
    let mut stream = query_as(&project, &ann, json!({ "fields": ["team"] })).await;
    assert_eq!(stream.short(3).await, ["added a", "added c", "ready"]);
    set(&project, "/collections/teams/documents/x", json!({ "open": false })).await;
    let mut gone = soon(&mut stream, 2).await;
    gone.sort();
    assert_eq!(gone, ["removed a", "removed c"]);
    set(&project, "/collections/teams/documents/y", json!({ "open": true })).await;
    let came = tokio::time::timeout(SEEN_WITHIN, stream.next()).await.unwrap().unwrap();
    let wanted = json!({ "type": "added", "docId": "b", "document": note("b", "y") });
    assert_eq!(came.data, wanted);
    // And changes go on as before.
    set(&project, "/collections/notes/documents/b", json!({ "n": 1 })).await;
    project.put("notes", [note("d", "x"), note("e", "y")]).await;
    assert_eq!(stream.short(2).await, ["modified b", "added e"]);
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_ends_is_seen_within_5_seconds_by_all_streams() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": "exists('members/' + request.auth.uid)" })).await;
    let ann = EndUserId::generate();
    let member = format!("/collections/members/documents/{ann}");
    project.put("members", [json!({ "_id": ann.as_str() })]).await;
    project.put("notes", [json!({ "_id": "a" })]).await;
    let mut live = query_as(&project, &ann, json!({})).await;
    assert_eq!(live.short(2).await, ["added a", "ready"]);
    let call = project.public(Method::GET, "/collections/notes/subscribe");
    let mut plain = call.header("authorization", &format!("Bearer {ann} {{}}")).stream().await;
    assert_eq!(plain.short(1).await, ["connected"]);
    delete(&project, &member).await;
    assert_eq!(soon(&mut live, 2).await, ["resync", "ready"]);
    assert_eq!(soon(&mut plain, 1).await, ["resync"]);
    project.put("notes", [json!({ "_id": "hidden" })]).await;
    project.put("members", [json!({ "_id": ann.as_str() })]).await;
    assert_eq!(soon(&mut live, 4).await, ["resync", "added a", "added hidden", "ready"]);
    assert_eq!(soon(&mut plain, 1).await, ["resync"]);
    project.put("notes", [json!({ "_id": "b" })]).await;
    assert_eq!(live.short(1).await, ["added b"]);
    assert_eq!(plain.short(1).await, ["added b"]);
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_collection_read_again_when_a_looked_up_document_decides_otherwise() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": "get('teams/' + resource.data.team).open == true" })).await;
    project.put("teams", [json!({ "_id": "x", "open": true })]).await;
    project.put("notes", [json!({ "_id": "a", "team": "x" })]).await;
    let ann = EndUserId::generate();
    let call = project.public(Method::GET, "/collections/notes/subscribe");
    let mut stream = call.header("authorization", &format!("Bearer {ann} {{}}")).stream().await;
    assert_eq!(stream.short(1).await, ["connected"]);
    for open in [false, true] {
        set(&project, "/collections/teams/documents/x", json!({ "open": open })).await;
        assert_eq!(soon(&mut stream, 1).await, ["resync"], "{open}");
    }
    project.put("notes", [json!({ "_id": "b", "team": "x" })]).await;
    // Who is told twice to read again reads once too often.
    let mut seen = stream.short(1).await;
    while seen == ["resync"] {
        seen = stream.short(1).await;
    }
    assert_eq!(seen, ["added b"]);
}

#[tokio::test]
async fn a_document_is_removed_when_its_time_is_over() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": "request.time < resource.data.until" })).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let note = |id: &str, until: u64| json!({ "_id": id, "until": until });
    project.put("notes", [note("short", now + 1_500), note("long", now + 600_000)]).await;
    let mut stream = query_as(&project, &EndUserId::generate(), json!({})).await;
    assert_eq!(stream.short(3).await, ["added long", "added short", "ready"]);
    assert_eq!(stream.short(1).await, ["removed short"]);
}
