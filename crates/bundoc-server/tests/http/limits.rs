//! What one project may have open, and that a busy one does not hold up others.

use crate::support::World;
use bundoc_server::DocumentsConfig;
use http::Method;
use serde_json::json;
use std::num::NonZeroUsize;

#[tokio::test]
async fn a_project_has_so_many_requests_open_and_no_more() {
    let world = World::with(DocumentsConfig { requests_per_project_max: 0, ..DocumentsConfig::default() });
    let project = world.project();
    let refused = project.secret(Method::GET, "/collections/a/documents/x").send().await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test]
async fn the_numbers_of_a_project_are_told_to_its_developers() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "x" }), json!({ "_id": "y" })]).await;
    project.put("b", [json!({ "_id": "x" })]).await;
    let made = project.secret(Method::POST, "/collections/a/indexes").json(&json!({ "field": "n" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    project.secret(Method::POST, "/transactions").send().await;
    let stats = project.developer("viewer", Method::GET, "/stats").send().await;
    assert_eq!(stats.status, 200, "{stats:?}");
    let count = |name: &str| stats.body[name].as_u64().unwrap();
    assert_eq!((count("collections"), count("documents"), count("indexes")), (2, 3, 1));
    assert_eq!(stats.body["transactions"], json!({ "open": 1, "max": 100 }));
    assert_eq!(stats.body["requests"]["open"], 1);
    assert!(count("bytes") > 0);
    let refused = project.public(Method::GET, "/stats").send().await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
}

/// One place to run in: full scans of a noisy project stand in line, and reads by id pass them.
#[tokio::test]
async fn reads_by_id_do_not_stand_in_line_behind_scans() {
    let one = NonZeroUsize::MIN;
    let world = World::with(DocumentsConfig { queries_max: one, ..DocumentsConfig::default() });
    let (noisy, quiet) = (world.project(), world.project());
    noisy.put("a", (0..2_000).map(|n| json!({ "_id": format!("{n:05}"), "n": n }))).await;
    quiet.put("a", [json!({ "_id": "x" })]).await;
    let scan = json!({ "query": { "n": -1 } });
    let scans = (0..40).map(|_| noisy.secret(Method::POST, "/collections/a/documents/query").json(&scan));
    let scans = futures_util::future::join_all(scans);
    let read = quiet.secret(Method::GET, "/collections/a/documents/x").send();
    tokio::pin!(scans, read);
    // Polled first, the scans are all in line before the read is sent.
    let first = futures_util::future::select(scans, read).await;
    let futures_util::future::Either::Right((read, scans)) = first else {
        panic!("the scans ended before the read");
    };
    assert_eq!(read.body, json!({ "_id": "x" }));
    assert!(scans.await.iter().all(|scan| scan.status == 200));
}
