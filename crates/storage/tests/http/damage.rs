//! Files that are not as they were.

use crate::support::World;
use axum::body::Body;
use http::Method;

#[tokio::test]
async fn changed_bytes_are_found_before_the_last_of_them_is_sent() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "hello").await;
    std::fs::write(&world.files()[0], "hellO").unwrap();
    let response = project.secret(Method::GET, "/storage/a").open(Body::empty()).await;
    assert!(axum::body::to_bytes(response.into_body(), usize::MAX).await.is_err());
}

#[tokio::test]
async fn missing_bytes_are_an_error_that_tells_no_path() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "hello").await;
    let file = world.files().remove(0);
    std::fs::write(&file, "hell").unwrap();
    let cut = project.get("a").await;
    assert_eq!(cut.refusal(), (500, "internal".to_owned()));
    std::fs::remove_file(&file).unwrap();
    let gone = project.get("a").await;
    assert_eq!(gone.refusal(), (500, "internal".to_owned()));
    assert!(!gone.text().contains(file.file_name().unwrap().to_str().unwrap()));
    assert!(project.put("a", "again").await.status.is_success());
    assert_eq!(project.get("a").await.text(), "again");
}
