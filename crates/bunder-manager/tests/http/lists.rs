//! Lists of keys.

use crate::support::{Project, World};
use http::Method;

async fn fill(project: &Project<'_>) {
    for key in ["a", "b/1", "b/2", "b/3", "b-1", "c:x:1", "c:y:1", "ä"] {
        project.put(key, "x").await;
    }
}

async fn list(project: &Project<'_>, query: &str) -> Vec<String> {
    project.secret(Method::GET, &format!("/kv/keys?{query}")).send().await.keys()
}

#[tokio::test]
async fn prefix_and_pattern_choose() {
    let world = World::start().await;
    let project = world.project();
    fill(&project).await;
    assert_eq!(list(&project, "").await, ["a", "b-1", "b/1", "b/2", "b/3", "c:x:1", "c:y:1", "ä"]);
    assert_eq!(list(&project, "prefix=b/").await, ["b/1", "b/2", "b/3"]);
    assert_eq!(list(&project, "prefix=b").await, ["b-1", "b/1", "b/2", "b/3"]);
    assert_eq!(list(&project, "pattern=c:*:1").await, ["c:x:1", "c:y:1"]);
    assert_eq!(list(&project, "pattern=*1&prefix=b").await, ["b-1", "b/1"]);
    assert_eq!(list(&project, "pattern=%3F").await, ["a", "ä"]);
    assert_eq!(list(&project, "pattern=b/*&prefix=c").await, Vec::<String>::new());
    assert_eq!(list(&project, "prefix=zz").await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let world = World::start().await;
    let project = world.project();
    fill(&project).await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = project.secret(Method::GET, &format!("/kv/keys?limit=3{cursor}")).send().await;
        assert!(page.keys().len() <= 3);
        found.extend(page.keys());
        match page.value()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, list(&project, "").await);
}

#[tokio::test]
async fn a_row_says_what_is_known_of_the_key() {
    let world = World::start().await;
    let project = world.project();
    let tag = project.secret(Method::PUT, "/kv/kv/a?ttl=10").body("12345").await.header("etag").to_owned();
    let page = project.secret(Method::GET, "/kv/keys").send().await.value();
    let row = &page["keys"][0];
    assert_eq!((row["key"].as_str(), row["bytes"].as_u64()), (Some("a"), Some(5)));
    assert_eq!(format!("\"{}\"", row["version"]), tag);
    assert_eq!(row["expires_at"], "2023-11-14T22:13:30Z");
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let project = world.project();
    let long = format!("pattern={}", "x".repeat(1025));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=%21", "cursor=AA", "sort=1", &long] {
        let answer = project.secret(Method::GET, &format!("/kv/keys?{query}")).send().await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{query}");
    }
}
