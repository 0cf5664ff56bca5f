//! Conditions, also where many come at once.

use crate::support::{Project, World};
use futures_util::future::join_all;
use http::{Method, StatusCode};

const CALLERS: usize = 50;

async fn put_if(project: &Project<'_>, (header, value): (&str, &str), bytes: &str) -> (u16, String) {
    let call = project.secret(Method::PUT, "/storage/a").header(header, value);
    call.body(bytes.to_owned()).await.refusal()
}

fn failed() -> (u16, String) {
    (409, "precondition_failed".to_owned())
}

#[tokio::test]
async fn conditions_hold_or_refuse() {
    let world = World::start().await;
    let project = world.project();
    assert_eq!(put_if(&project, ("if-match", "*"), "1").await, failed());
    assert_eq!(put_if(&project, ("if-none-match", "*"), "1").await.0, 201);
    assert_eq!(put_if(&project, ("if-none-match", "*"), "1").await, failed());
    let etag = project.get("a").await.header("etag").to_owned();
    assert_eq!(put_if(&project, ("if-match", &etag), "2").await.0, 201);
    assert_eq!(put_if(&project, ("if-match", &etag), "3").await, failed());
    assert_eq!(put_if(&project, ("if-match", "2"), "3").await, (400, "invalid_request".to_owned()));
    assert_eq!(project.get("a").await.text(), "2");
    let stale = project.secret(Method::DELETE, "/storage/a").header("if-match", &etag).send().await;
    assert_eq!(stale.refusal(), failed());
    let etag = project.get("a").await.header("etag").to_owned();
    let removed = project.secret(Method::DELETE, "/storage/a").header("if-match", &etag).send().await;
    assert_eq!(removed.status, StatusCode::OK);
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn a_known_content_is_not_sent_again() {
    let world = World::start().await;
    let project = world.project();
    let etag = project.put("a", "1").await.header("etag").to_owned();
    for tags in [etag.as_str(), "*", &format!("\"x\", W/{etag}")] {
        let again = project.secret(Method::GET, "/storage/a").header("if-none-match", tags).send().await;
        assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0), "{tags}");
        assert_eq!(again.header("etag"), etag);
    }
    let other = project.secret(Method::GET, "/storage/a").header("if-none-match", "\"x\"").send().await;
    assert_eq!(other.text(), "1");
}

#[tokio::test]
async fn of_many_that_create_one_does_and_nothing_is_left_of_the_others() {
    let world = World::start().await;
    let project = world.project();
    let calls = (0..CALLERS).map(|_| put_if(&project, ("if-none-match", "*"), "x"));
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == failed()).count(), CALLERS - 1);
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn of_many_that_replace_one_is_there_whole() {
    let world = World::start().await;
    let project = world.project();
    let texts: Vec<_> = (0..CALLERS).map(|n| n.to_string().repeat(1_000)).collect();
    let answers = join_all(texts.iter().map(|text| project.put("a", text))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED));
    let left = project.get("a").await.text().to_owned();
    assert!(texts.contains(&left));
    assert_eq!(world.files().len(), 1);
}
