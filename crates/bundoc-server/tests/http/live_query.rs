//! Streams of a query's result.

use crate::stream::Stream;
use crate::support::{Project, World};
use bundoc_server::DocumentsConfig;
use http::Method;
use serde_json::{Value, json};
use service_kit::ids::EndUserId;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const PATH: &str = "/collections/notes/documents/query/subscribe";

async fn subscribe(project: &Project<'_>, query: Value) -> Stream {
    let mut stream = project.secret(Method::POST, PATH).stream_with(query.to_string()).await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    stream
}

async fn set(project: &Project<'_>, id: &str, fields: Value) {
    let path = format!("/collections/notes/documents/{id}");
    let answer = project.secret(Method::PATCH, &path).json(&fields).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn documents_enter_change_within_and_leave_the_result() {
    let world = World::start();
    let project = world.project();
    project.put("notes", [json!({ "_id": "a", "n": 1, "x": 0 }), json!({ "_id": "b", "n": 9 })]).await;
    let mut stream = subscribe(&project, json!({ "query": { "n": { "$lt": 5 } }, "fields": ["n"] })).await;
    let added = stream.next().await.unwrap();
    let wanted = json!({ "type": "added", "docId": "a", "document": { "_id": "a", "n": 1 } });
    assert_eq!(added.data, wanted);
    assert_eq!(stream.short(1).await, ["ready"]);
    set(&project, "b", json!({ "n": 8 })).await;
    set(&project, "b", json!({ "n": 2 })).await;
    set(&project, "a", json!({ "n": 3 })).await;
    set(&project, "a", json!({ "n": 7 })).await;
    set(&project, "a", json!({ "n": 8 })).await;
    project.put("notes", [json!({ "_id": "c", "n": 0, "x": 1 })]).await;
    project.secret(Method::DELETE, "/collections/notes/documents/c").send().await;
    let rest = stream.short(5).await;
    assert_eq!(rest, ["added b", "modified a", "removed a", "added c", "removed c"]);
    // Both in one commit.
    let batch = json!({ "operations": [
        { "op": "insert", "collection": "notes", "document": { "_id": "d", "n": 1 } },
        { "op": "delete", "collection": "notes", "id": "d" },
    ] });
    project.secret(Method::POST, "/batch").json(&batch).await;
    assert_eq!(stream.short(2).await, ["added d", "removed d"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_the_result_is_read_is_in_it_once() {
    let world = World::start();
    let project = world.project();
    project.put("notes", (0..1_200).map(|n| json!({ "_id": format!("old{n}"), "n": 1 }))).await;
    let calls: Vec<_> = (0..200)
        .map(|n| (project.secret(Method::POST, "/collections/notes/documents"), format!("new{n}")))
        .collect();
    let writer = tokio::spawn(async move {
        for (call, id) in calls {
            assert_eq!(call.json(&json!({ "_id": id, "n": 1 })).await.status, 201);
        }
    });
    let mut stream = subscribe(&project, json!({ "query": { "n": 1 } })).await;
    // 1400 documents and `ready`; where this reader was too slow, all of it comes again.
    let mut events = HashSet::new();
    while events.len() < 1_401 {
        let event = stream.next().await.unwrap().short();
        if event == "resync" {
            events.clear();
            continue;
        }
        assert!(event.starts_with("added ") || event == "ready", "{event}");
        assert!(events.insert(event.clone()), "{event} came twice");
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn rules_decide_about_the_result_and_new_rules_begin_it_again() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "list": "resource.data.owner == request.auth.uid" })).await;
    let ann = EndUserId::generate();
    let note = |id: &str, owner: &str| json!({ "_id": id, "owner": owner });
    project.put("notes", [note("own", ann.as_str()), note("other", "bob")]).await;
    let call = project.public(Method::POST, PATH).header("authorization", &format!("Bearer {ann} {{}}"));
    let mut stream = call.stream_with("{}").await;
    assert_eq!(stream.short(3).await, ["connected", "added own", "ready"]);
    project.put("notes", [note("second", "bob"), note("third", ann.as_str())]).await;
    set(&project, "own", json!({ "owner": "bob" })).await;
    assert_eq!(stream.short(2).await, ["added third", "removed own"]);
    let rules = json!({ "rules": { "list": "resource.data.owner == 'bob'" } });
    project.secret(Method::PATCH, "/collections/notes").json(&rules).await;
    let again = stream.short(5).await;
    assert_eq!(again, ["resync", "added other", "added own", "added second", "ready"]);
    project.secret(Method::DELETE, "/collections/notes").send().await;
    let close = stream.short(3).await;
    // The collection is closed to this user from now on.
    assert_eq!(close, ["resync", "close", "end"]);
}

#[tokio::test]
async fn a_dropped_collection_is_an_empty_result() {
    let world = World::start();
    let project = world.project();
    project.put("notes", [json!({ "_id": "a" })]).await;
    let mut stream = subscribe(&project, json!({})).await;
    assert_eq!(stream.short(2).await, ["added a", "ready"]);
    project.secret(Method::DELETE, "/collections/notes").send().await;
    assert_eq!(stream.short(2).await, ["resync", "ready"]);
    project.put("notes", [json!({ "_id": "a" })]).await;
    assert_eq!(stream.short(1).await, ["added a"]);
}

#[tokio::test]
async fn a_query_that_cannot_live_is_refused_and_one_that_grows_too_large_ends() {
    let world = World::with(DocumentsConfig { live_query_documents_max: 2, ..DocumentsConfig::default() });
    let project = world.project();
    let refused = async |body: Value| project.secret(Method::POST, PATH).json(&body).await;
    for body in [json!({ "query": { "a": { "$no": 1 } } }), json!({ "limit": 5 }), json!({ "cursor": "x" })] {
        assert_eq!(refused(body.clone()).await.refusal(), (400, "invalid_query"), "{body}");
    }
    let closed = project.public(Method::POST, PATH).json(&json!({})).await;
    assert_eq!(closed.refusal(), (403, "forbidden"));
    project.put("notes", [json!({ "_id": "a" }), json!({ "_id": "b" })]).await;
    let mut stream = subscribe(&project, json!({})).await;
    assert_eq!(stream.short(3).await, ["added a", "added b", "ready"]);
    project.put("notes", [json!({ "_id": "c" })]).await;
    let close = stream.next().await.unwrap();
    assert_eq!((close.name.as_str(), &close.data["reason"]), ("close", &json!("query_too_expensive")));
    assert_eq!(refused(json!({})).await.refusal(), (400, "query_too_expensive"));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_gets_the_result_again() {
    let world = World::with(DocumentsConfig { subscription_events_max: 3, ..DocumentsConfig::default() });
    let project = world.project();
    let mut stream = subscribe(&project, json!({})).await;
    assert_eq!(stream.short(1).await, ["ready"]);
    let mut quick = subscribe(&project, json!({})).await;
    assert_eq!(quick.short(1).await, ["ready"]);
    for n in 0..6 {
        project.put("notes", [json!({ "_id": format!("n{n}") })]).await;
        assert_eq!(quick.short(1).await, [format!("added n{n}")]);
    }
    let mut seen = Vec::new();
    // Whatever it got before, after `resync` comes the whole.
    let mut was_told = false;
    while seen.len() < 7 {
        let event = stream.next().await.unwrap().short();
        if event == "resync" {
            was_told = true;
            seen.clear();
        } else {
            seen.push(event);
        }
    }
    assert!(was_told, "it was too slow");
    seen.sort();
    // The last may come after `ready`, where it was written after the result was read again.
    assert_eq!(seen, ["added n0", "added n1", "added n2", "added n3", "added n4", "added n5", "ready"]);
}

#[tokio::test]
async fn the_live_queries_of_a_project_have_so_many_regular_expressions() {
    let limits = DocumentsConfig { live_query_patterns_per_project_max: 3, ..DocumentsConfig::default() };
    let world = World::with(limits);
    let (project, other) = (world.project(), world.project());
    let filter = |first: &str| json!({ "query": { "$or": [{ "a": { "$regex": first } }, { "b": { "$regex": "y" } }] } });
    let shown = |first: &str| {
        let fields = json!({ "list": { "$elemMatch": { "n": { "$regex": first } } } });
        json!({ "query": { "$expr": { "$regexMatch": { "input": "$a", "regex": "x" } } }, "fields": fields })
    };
    let first = subscribe(&project, filter("x")).await;
    let equal = subscribe(&project, filter("x")).await;
    for body in [filter("z"), shown("x")] {
        let refused = project.secret(Method::POST, PATH).json(&body).await;
        assert_eq!(refused.refusal(), (429, "rate_limited"));
        let limit = &refused.body["error"]["details"]["limit"];
        assert_eq!(limit, "live_query_patterns_per_project_max");
        assert_eq!(refused.header("retry-after"), "5");
    }
    let _plain = subscribe(&project, json!({ "query": { "a": 1 } })).await;
    let _other = subscribe(&other, filter("z")).await;
    drop((first, equal));
    let deadline = Instant::now() + Duration::from_secs(20);
    // Its task has to see that nobody reads any more.
    while project.secret(Method::POST, PATH).status(&shown("x")).await != 200 {
        assert!(Instant::now() < deadline, "the regular expressions are still there");
        tokio::task::yield_now().await;
    }
}
