//! Transactions over several requests.

use crate::support::{Answer, Call, Project, World};
use bundoc_server::DocumentsConfig;
use http::Method;
use ports::lifecycle::ProjectLifecycle;
use serde_json::{Value, json};
use service_kit::ids::EndUserId;
use std::time::Duration;

const HEADER: &str = "x-bunbase-transaction";

async fn begin(project: &Project<'_>) -> String {
    let opened = project.secret(Method::POST, "/transactions").send().await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert!(opened.body["expires_at"].as_str().unwrap().contains('T'));
    opened.body["id"].as_str().unwrap().to_owned()
}

fn inside(project: &Project<'_>, id: &str, method: Method, path: &str) -> Call {
    project.secret(method, path).header(HEADER, id)
}

async fn end(project: &Project<'_>, id: &str, how: &str) -> Answer {
    project.secret(Method::POST, &format!("/transactions/{id}/{how}")).send().await
}

async fn balance(project: &Project<'_>, id: &str) -> Value {
    project.secret(Method::GET, &format!("/collections/a/documents/{id}")).send().await.body["n"].clone()
}

async fn accounts(world: &World) -> Project<'_> {
    let project = world.project();
    project.put("a", [json!({ "_id": "x", "n": 10 }), json!({ "_id": "y", "n": 0 })]).await;
    project
}

#[tokio::test]
async fn what_is_written_inside_shows_inside_and_after_the_commit() {
    let world = World::start();
    let project = accounts(&world).await;
    let id = begin(&project).await;
    let path = "/collections/a/documents/x";
    let patched = inside(&project, &id, Method::PATCH, path).json(&json!({ "$inc": { "n": -4 } })).await;
    assert_eq!((patched.status.as_u16(), &patched.body["n"]), (200, &json!(6)), "{patched:?}");
    assert_eq!(patched.header("etag"), "", "it has no version yet");
    let batch = json!({ "operations": [
        { "op": "update", "collection": "a", "id": "y", "update": { "$inc": { "n": 4 } } },
        { "op": "insert", "collection": "log", "document": { "_id": "1", "moved": 4 } },
    ] });
    let batched = inside(&project, &id, Method::POST, "/batch").json(&batch).await;
    assert_eq!(batched.body["commit"], Value::Null, "{batched:?}");
    let query = json!({ "query": { "n": { "$lt": 10 } }, "sort": { "n": 1 } });
    let path = "/collections/a/documents/query";
    let found = inside(&project, &id, Method::POST, path).json(&query).await;
    assert_eq!(found.ids(), ["y", "x"], "{found:?}");
    let listed = inside(&project, &id, Method::GET, "/collections/log/documents").send().await;
    assert_eq!(listed.ids(), ["1"]);
    let path = "/collections/a/documents/count";
    let counted = inside(&project, &id, Method::POST, path).json(&json!({ "query": { "n": 4 } })).await;
    assert_eq!(counted.body["count"], 1);
    let path = "/collections/a/documents/distinct";
    let values = inside(&project, &id, Method::POST, path).json(&json!({ "field": "n" })).await;
    assert_eq!(values.body["values"], json!([4, 6]));
    assert_eq!((balance(&project, "x").await, balance(&project, "y").await), (json!(10), json!(0)));
    let committed = end(&project, &id, "commit").await;
    assert_eq!(committed.status, 200, "{committed:?}");
    assert!(committed.body["commit"].is_u64());
    assert_eq!((balance(&project, "x").await, balance(&project, "y").await), (json!(6), json!(4)));
    assert_eq!(end(&project, &id, "commit").await.refusal(), (404, "transaction_not_found"));
}

#[tokio::test]
async fn of_two_that_read_what_the_other_changes_one_is_told_to_try_again() {
    let world = World::start();
    let project = accounts(&world).await;
    let (one, other) = (begin(&project).await, begin(&project).await);
    for (id, read, written) in [(&one, "x", "y"), (&other, "y", "x")] {
        let path = format!("/collections/a/documents/{read}");
        assert_eq!(inside(&project, id, Method::GET, &path).send().await.status, 200);
        let path = format!("/collections/a/documents/{written}");
        let patched = inside(&project, id, Method::PATCH, &path).json(&json!({ "n": 1 })).await;
        assert_eq!(patched.status, 200, "{patched:?}");
    }
    assert_eq!(end(&project, &one, "commit").await.status, 200);
    assert_eq!(end(&project, &other, "commit").await.refusal(), (409, "transaction_conflict"));
    assert_eq!((balance(&project, "x").await, balance(&project, "y").await), (json!(10), json!(1)));
    assert_eq!(end(&project, &other, "commit").await.refusal(), (404, "transaction_not_found"));
}

#[tokio::test]
async fn an_aborted_transaction_leaves_nothing() {
    let world = World::start();
    let project = accounts(&world).await;
    let id = begin(&project).await;
    let deleted = inside(&project, &id, Method::DELETE, "/collections/a/documents/x").send().await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let missing = inside(&project, &id, Method::GET, "/collections/a/documents/x").send().await;
    assert_eq!(missing.refusal(), (404, "document_not_found"));
    assert_eq!(end(&project, &id, "abort").await.status, 204);
    assert_eq!(balance(&project, "x").await, json!(10));
    let late = inside(&project, &id, Method::GET, "/collections/a/documents/x").send().await;
    assert_eq!(late.refusal(), (404, "transaction_not_found"));
}

#[tokio::test]
async fn what_ends_a_transaction_may_name_it_and_no_other_one() {
    let world = World::start();
    let project = accounts(&world).await;
    let (committed, aborted, other) = (begin(&project).await, begin(&project).await, begin(&project).await);
    for (id, how, status) in [(&committed, "commit", 200), (&aborted, "abort", 204)] {
        let path = format!("/transactions/{id}/{how}");
        let foreign = inside(&project, &other, Method::POST, &path).send().await;
        assert_eq!(foreign.refusal(), (400, "invalid_request"), "{how}");
        let ended = inside(&project, id, Method::POST, &path).send().await;
        assert_eq!(ended.status, status, "{ended:?}");
    }
    assert_eq!(end(&project, &other, "commit").await.status, 200, "it went on");
}

#[tokio::test]
async fn a_transaction_is_used_by_nobody_but_who_opened_it() {
    let world = World::start();
    let (project, other) = (accounts(&world).await, world.project());
    let id = begin(&project).await;
    let path = "/collections/a/documents/x";
    let calls = [
        inside(&other, &id, Method::GET, path),
        project.public(Method::GET, path).header(HEADER, &id),
        project.developer("owner", Method::GET, path).header(HEADER, &id),
        project.secret(Method::GET, path).header(HEADER, "txn_00000000000000000000000000000000"),
        project.secret(Method::GET, path).header(HEADER, "nonsense"),
    ];
    for call in calls {
        assert_eq!(call.send().await.refusal(), (404, "transaction_not_found"));
    }
    let path = format!("/transactions/{id}/commit");
    let foreign = project.developer("owner", Method::POST, &path).send().await;
    assert_eq!(foreign.refusal(), (404, "transaction_not_found"));
    assert_eq!(end(&project, &id, "commit").await.status, 200);
}

#[tokio::test]
async fn rules_hold_inside_and_other_claims_end_it() {
    let world = World::start();
    let project = world.project();
    project.open("notes", json!({ "read": "true", "write": "request.auth.claims.level >= 2" })).await;
    let user = EndUserId::generate();
    let call = |method, path: &str, level: i64| {
        let bearer = format!("Bearer {user} {}", json!({ "level": level }));
        project.public(method, path).header("authorization", &bearer)
    };
    let opened = call(Method::POST, "/transactions", 2).send().await;
    let id = opened.body["id"].as_str().unwrap();
    let path = "/collections/notes/documents";
    let made = call(Method::POST, path, 2).header(HEADER, id).json(&json!({ "_id": "n" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let closed = call(Method::POST, "/collections/secret/documents", 2).header(HEADER, id);
    assert_eq!(closed.json(&json!({})).await.refusal(), (403, "forbidden"));
    let demoted = call(Method::GET, path, 1).header(HEADER, id).send().await;
    assert_eq!(demoted.refusal(), (409, "transaction_conflict"));
    let path = format!("/transactions/{id}/commit");
    assert_eq!(call(Method::POST, &path, 2).send().await.refusal(), (404, "transaction_not_found"));
}

#[tokio::test]
async fn rules_look_up_what_the_transaction_sees() {
    let world = World::start();
    let project = world.project();
    let member = "'members/' + request.auth.uid";
    let rules = json!({
        "read": format!("exists({member})"),
        "write": format!("get({member}).role == 'editor'"),
    });
    project.open("notes", rules).await;
    project.open("members", json!({ "write": "true" })).await;
    let user = EndUserId::generate();
    project.put("members", [json!({ "_id": user.as_str(), "role": "reader" })]).await;
    let call = |method, path: &str| {
        project.public(method, path).header("authorization", &format!("Bearer {user} {{}}"))
    };
    let notes = "/collections/notes/documents";
    let open =
        async || call(Method::POST, "/transactions").send().await.body["id"].as_str().unwrap().to_owned();
    let id = open().await;
    let within = |method, path: &str| call(method, path).header(HEADER, &id);
    assert_eq!(within(Method::GET, notes).send().await.ids(), [""; 0]);
    let early = within(Method::POST, notes).json(&json!({ "_id": "n" })).await;
    assert_eq!(early.refusal(), (403, "forbidden"));
    let path = format!("/collections/members/documents/{user}");
    let promoted = within(Method::PATCH, &path).json(&json!({ "role": "editor" })).await;
    assert_eq!(promoted.status, 200, "{promoted:?}");
    let made = within(Method::POST, notes).json(&json!({ "_id": "n" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(within(Method::GET, notes).send().await.ids(), ["n"]);
    let outside = call(Method::POST, notes).json(&json!({ "_id": "m" })).await;
    assert_eq!(outside.refusal(), (403, "forbidden"));
    let committed = call(Method::POST, &format!("/transactions/{id}/commit")).send().await;
    assert_eq!(committed.status, 200, "{committed:?}");
    assert_eq!(call(Method::GET, notes).send().await.ids(), ["n"]);

    let id = open().await;
    let made = call(Method::POST, notes).header(HEADER, &id).json(&json!({ "_id": "late" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(project.secret(Method::DELETE, &path).send().await.status, 204);
    let committed = call(Method::POST, &format!("/transactions/{id}/commit")).send().await;
    assert_eq!(committed.refusal(), (409, "transaction_conflict"), "what the rule looked up has changed");
}

#[tokio::test]
async fn definitions_streams_and_plans_are_not_made_inside() {
    let world = World::start();
    let project = accounts(&world).await;
    let id = begin(&project).await;
    for (method, path) in [
        (Method::GET, "/collections"),
        (Method::PUT, "/collections/a/rules"),
        (Method::POST, "/collections/a/indexes"),
        (Method::POST, "/collections/a/documents/explain"),
        (Method::GET, "/collections/a/subscribe"),
        (Method::POST, "/transactions"),
    ] {
        let refused = inside(&project, &id, method, path).json(&json!({})).await;
        assert_eq!(refused.refusal(), (400, "invalid_request"), "{path}");
    }
}

/// Without calls it is open for so long; with calls it is as old as this at the most.
const IDLE: Duration = Duration::from_secs(10);
const AGE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

async fn expired(world: &World, project: &Project<'_>, id: &str) {
    assert_eq!(world.server.open_transactions(), 0);
    let late = inside(project, id, Method::GET, "/collections/a/documents/x").send().await;
    assert_eq!(late.refusal(), (409, "transaction_expired"));
    assert_eq!(end(project, id, "commit").await.refusal(), (409, "transaction_expired"));
    let foreign =
        project.developer("owner", Method::POST, &format!("/transactions/{id}/commit")).send().await;
    assert_eq!(foreign.refusal(), (404, "transaction_not_found"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_transaction_is_aborted() {
    let world = World::start();
    let project = accounts(&world).await;
    let id = begin(&project).await;
    tokio::time::sleep(IDLE - MOMENT).await;
    assert_eq!(world.server.open_transactions(), 1);
    tokio::time::sleep(2 * MOMENT).await;
    expired(&world, &project, &id).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_transaction_is_aborted_however_busy_it_is() {
    let world = World::start();
    let project = accounts(&world).await;
    let (id, begun) = (begin(&project).await, tokio::time::Instant::now());
    while begun.elapsed() + IDLE < AGE {
        tokio::time::sleep(IDLE - MOMENT).await;
        let read = inside(&project, &id, Method::GET, "/collections/a/documents/x").send().await;
        assert_eq!(read.status, 200, "{read:?}");
    }
    tokio::time::sleep_until(begun + AGE + MOMENT).await;
    expired(&world, &project, &id).await;
}

#[tokio::test]
async fn a_project_has_so_many_open_and_no_more() {
    let config = DocumentsConfig {
        transactions_per_project_max: 2,
        transactions_max: 3,
        ..DocumentsConfig::default()
    };
    let world = World::with(config);
    let (project, other, third) = (world.project(), world.project(), world.project());
    let open = begin(&project).await;
    begin(&project).await;
    let refused = project.secret(Method::POST, "/transactions").send().await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), "1");
    begin(&other).await;
    let full = third.secret(Method::POST, "/transactions").send().await;
    assert_eq!(full.refusal(), (503, "overloaded"));
    assert_eq!(end(&project, &open, "abort").await.status, 204);
    begin(&third).await;
}

#[tokio::test]
async fn a_removed_project_takes_its_transactions_with_it() {
    let world = World::start();
    let project = accounts(&world).await;
    let id = begin(&project).await;
    world.server.purge(&project.id).await.unwrap();
    assert_eq!(world.server.open_transactions(), 0);
    assert_eq!(end(&project, &id, "commit").await.refusal(), (404, "transaction_not_found"));
}
