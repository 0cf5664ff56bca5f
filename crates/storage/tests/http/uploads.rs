//! Uploads that break off, and transfers of callers who may not go on.

use crate::support::World;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Method, StatusCode};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

fn part() -> io::Result<Bytes> {
    Ok(Bytes::from(vec![7; 300_000]))
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "before").await;
    let broken = stream::iter([part(), part(), Err(io::ErrorKind::ConnectionReset.into())]);
    let answer = project.secret(Method::PUT, "/storage/a").stream(Body::from_stream(broken)).await;
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(project.get("a").await.text(), "before");
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing() {
    let world = World::start().await;
    let project = world.project();
    let (arrived, waiting) = oneshot::channel();
    let mut arrived = Some(arrived);
    let parts = stream::iter([part()]).chain(stream::once(async move {
        if let Some(arrived) = arrived.take() {
            arrived.send(()).unwrap();
        }
        std::future::pending::<io::Result<Bytes>>().await
    }));
    let call = project.secret(Method::PUT, "/storage/a");
    let upload = tokio::spawn(call.stream(Body::from_stream(parts)));
    waiting.await.unwrap();
    assert_eq!(world.files().len(), 1, "it was being written");
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    assert!(world.files().is_empty());
    assert_eq!(project.get("a").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_removed() {
    let world = World::start().await;
    let id = world.project().id;
    world.project_of(id.clone()).put("a", "1").await;
    let orphan = "ab".repeat(16);
    std::fs::write(world.objects().join("ab").join(&orphan), b"no row was committed").unwrap();
    std::fs::write(world.objects().join("tmp").join(&orphan), b"not finished").unwrap();
    let world = world.restart().await;
    world.service.sweep_orphans().await.unwrap();
    assert_eq!(world.files().len(), 1);
    assert_eq!(world.project_of(id).get("a").await.text(), "1");
}

#[tokio::test]
async fn a_revoked_key_ends_its_transfers() {
    let world = World::start().await;
    let project = world.project();
    project.secret(Method::PUT, "/storage/a").body(vec![1; 1 << 20]).await;
    let response = project.secret(Method::GET, "/storage/a").open(Body::empty()).await;
    let mut body = response.into_body().into_data_stream();
    assert!(body.next().await.unwrap().is_ok());
    world.revoked.store(true, Ordering::SeqCst);
    assert!(body.next().await.unwrap().is_ok(), "not asked again within the same moment");
    pass(Duration::from_secs(3)).await;
    assert!(body.next().await.unwrap().is_err());
    assert!(body.next().await.is_none());
}

/// Moves tokio's clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
