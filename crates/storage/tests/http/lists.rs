//! Lists of objects.

use crate::support::{Project, World};
use http::Method;
use serde_json::{Value, json};

async fn fill(project: &Project<'_>) {
    for name in ["a", "b/1", "b/2", "b/c/3", "b-1", "d/1", "d/2", "ä/1"] {
        project.put(name, "x").await;
    }
}

async fn list(project: &Project<'_>, query: &str) -> Value {
    project.secret(Method::GET, &format!("/storage?{query}")).send().await.value()
}

/// Names and prefixes of every page.
async fn pages(project: &Project<'_>, query: &str) -> (Vec<String>, Vec<String>) {
    let (mut names, mut prefixes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..20 {
        let page = project.secret(Method::GET, &format!("/storage?{query}{cursor}")).send().await;
        names.extend(page.names());
        let found = page.value()["prefixes"].as_array().unwrap().clone();
        prefixes.extend(found.iter().map(|prefix| prefix.as_str().unwrap().to_owned()));
        match page.value()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (names, prefixes),
        }
    }
    panic!("the pages have no end");
}

#[tokio::test]
async fn prefix_and_delimiter_make_directories() {
    let world = World::start().await;
    let project = world.project();
    fill(&project).await;
    for limit in [1, 2, 3, 1000] {
        let all = pages(&project, &format!("limit={limit}")).await;
        assert_eq!(all.0, ["a", "b-1", "b/1", "b/2", "b/c/3", "d/1", "d/2", "ä/1"], "{limit}");
        assert_eq!(all.1, Vec::<String>::new());
        let top = pages(&project, &format!("delimiter=/&limit={limit}")).await;
        assert_eq!(
            (top.0, top.1),
            (vec!["a".into(), "b-1".into()], vec!["b/".into(), "d/".into(), "ä/".into()])
        );
        let below = pages(&project, &format!("prefix=b/&delimiter=/&limit={limit}")).await;
        assert_eq!((below.0, below.1), (vec!["b/1".into(), "b/2".into()], vec!["b/c/".to_owned()]));
        assert_eq!(pages(&project, &format!("prefix=b/&limit={limit}")).await.0, ["b/1", "b/2", "b/c/3"]);
    }
}

#[tokio::test]
async fn a_directory_with_much_in_it_is_one_entry() {
    let world = World::start().await;
    let project = world.project();
    for n in 0..120 {
        project.put(&format!("big/{n:03}"), "x").await;
    }
    project.put("z", "x").await;
    let page = list(&project, "delimiter=/&limit=2").await;
    assert_eq!(page["prefixes"], json!(["big/"]));
    assert_eq!(page["objects"][0]["key"], "z");
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_row_says_what_is_known_of_the_object() {
    let world = World::start().await;
    let project = world.project();
    let put =
        project.secret(Method::PUT, "/storage/a").header("content-type", "text/plain").body("12345").await;
    let page = list(&project, "").await;
    let expected = json!({
        "key": "a", "size": 5, "content_type": "text/plain", "etag": put.header("etag"),
        "last_modified": "2023-11-14T22:13:20Z",
    });
    assert_eq!(page["objects"], json!([expected]));
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let project = world.project();
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=%21", "delimiter=//", "sort=1"] {
        let answer = project.secret(Method::GET, &format!("/storage?{query}")).send().await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{query}");
    }
}
