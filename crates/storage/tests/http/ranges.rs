//! Parts of objects.

use crate::support::{Answer, Project, World};
use http::{Method, StatusCode};

async fn part(project: &Project<'_>, range: &str) -> Answer {
    project.secret(Method::GET, "/storage/a").header("range", range).send().await
}

#[tokio::test]
async fn a_part_is_answered_with_its_place() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "0123456789").await;
    let cases = [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ];
    for (range, text, place) in cases {
        let answer = part(&project, range).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::PARTIAL_CONTENT, text), "{range}");
        assert_eq!(answer.header("content-range"), place, "{range}");
        assert_eq!(answer.header("content-length"), text.len().to_string(), "{range}");
    }
    for all in ["bytes=0-9", "bytes=-20", "bytes=1-2,4-5", "rows=1-2"] {
        let answer = part(&project, all).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "0123456789"), "{all}");
    }
}

#[tokio::test]
async fn a_range_outside_is_refused_with_the_size() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "0123456789").await;
    for range in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
        let answer = part(&project, range).await;
        assert_eq!(answer.refusal(), (416, "range_not_satisfiable".to_owned()), "{range}");
        assert_eq!(answer.header("content-range"), "bytes */10");
    }
    project.put("a", "").await;
    assert_eq!(part(&project, "bytes=0-").await.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn a_download_goes_on_only_with_the_same_content() {
    let world = World::start().await;
    let project = world.project();
    let etag = project.put("a", "0123456789").await.header("etag").to_owned();
    let rest = async |etag: &str| {
        let call = project.secret(Method::GET, "/storage/a").header("range", "bytes=5-");
        call.header("if-range", etag).send().await.text().to_owned()
    };
    assert_eq!(rest(&etag).await, "56789");
    project.put("a", "abcdefghij").await;
    assert_eq!(rest(&etag).await, "abcdefghij");
}
