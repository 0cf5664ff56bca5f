//! Rotating keys: a new text, the same id, and an old text that ends when it was said.

use crate::support::{Answer, By, Project, Server};
use http::StatusCode;
use serde_json::{Value, json};

const ADA: By<'_> = By::Developer("ada");

async fn opens(server: &Server, key: &str) -> bool {
    server.get(By::Key(key), "/v1/project").await.status == StatusCode::OK
}

async fn key_ids(server: &Server, project: &Project) -> Vec<String> {
    let listed = server.get(ADA, &project.keys()).await.body;
    let keys = listed["keys"].as_array().unwrap();
    keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

async fn rotate(server: &Server, project: &Project, id: &str, body: Value) -> Answer {
    server.post(ADA, &format!("{}/{id}/rotate", project.keys()), body).await
}

async fn rotated(server: &Server, project: &Project, id: &str, body: Value) -> String {
    let answer = rotate(server, project, id, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.body["key"]["id"], id);
    answer.body["secret"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_grace_the_old_text_ends_at_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let secret_id = key_ids(&server, &project).await.remove(1);
    assert!(opens(&server, &project.secret_key).await);
    let new = rotated(&server, &project, &secret_id, json!({})).await;
    assert!(!opens(&server, &project.secret_key).await);
    assert!(opens(&server, &new).await);
    let listed = server.get(ADA, &project.keys()).await.body;
    assert!(listed["keys"][1]["previous_valid_until"].is_null());
    assert!(new.ends_with(listed["keys"][1]["last4"].as_str().unwrap()));
    assert!(!server.holds(&new) && !listed.to_string().contains(&new));
    let path = format!("{}/{secret_id}/rotate", project.keys());
    assert_eq!(server.send(ADA, "POST", &path, None).await.status, StatusCode::CREATED);
    assert!(!opens(&server, &new).await);
}

#[tokio::test]
async fn within_the_grace_both_texts_open_and_after_it_only_the_new_one() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let secret_id = key_ids(&server, &project).await.remove(1);
    assert!(opens(&server, &project.secret_key).await);
    let new = rotated(&server, &project, &secret_id, json!({ "grace_seconds": 86400 })).await;
    assert!(opens(&server, &project.secret_key).await && opens(&server, &new).await);
    let listed = server.get(ADA, &project.keys()).await.body;
    assert!(listed["keys"][1]["previous_valid_until"].as_str().unwrap().ends_with('Z'));

    let server = server.restart(platform::PlatformConfig::default(), Vec::new()).await;
    server.execute("UPDATE project_keys SET old_until = 1 WHERE old_until IS NOT NULL", &[]).await;
    assert!(!opens(&server, &project.secret_key).await);
    assert!(opens(&server, &new).await);
}

#[tokio::test]
async fn a_text_in_memory_ends_with_its_grace() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let secret_id = key_ids(&server, &project).await.remove(1);
    rotated(&server, &project, &secret_id, json!({ "grace_seconds": 1 })).await;
    let ended = async {
        while opens(&server, &project.secret_key).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("the old text still opens");
}

#[tokio::test]
async fn a_second_rotation_ends_the_text_before_and_revoking_ends_all() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let secret_id = key_ids(&server, &project).await.remove(1);
    let grace = json!({ "grace_seconds": 600 });
    let second = rotated(&server, &project, &secret_id, grace.clone()).await;
    assert!(opens(&server, &project.secret_key).await && opens(&server, &second).await);
    let third = rotated(&server, &project, &secret_id, grace).await;
    assert!(!opens(&server, &project.secret_key).await);
    assert!(opens(&server, &second).await && opens(&server, &third).await);
    let path = format!("{}/{secret_id}", project.keys());
    assert_eq!(server.delete(ADA, &path).await.status, StatusCode::NO_CONTENT);
    assert!(!opens(&server, &second).await && !opens(&server, &third).await);
}

#[tokio::test]
async fn both_texts_end_with_their_project() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let secret_id = key_ids(&server, &project).await.remove(1);
    let new = rotated(&server, &project, &secret_id, json!({ "grace_seconds": 600 })).await;
    assert!(opens(&server, &project.secret_key).await && opens(&server, &new).await);
    server.delete(ADA, &project.path).await;
    assert!(!opens(&server, &project.secret_key).await && !opens(&server, &new).await);
}

#[tokio::test]
async fn a_public_key_is_rotated_too() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let public_id = key_ids(&server, &project).await.remove(0);
    let answer = rotate(&server, &project, &public_id, json!({})).await;
    assert!(answer.body.get("secret").is_none());
    let new = answer.body["key"]["public_key"].as_str().unwrap();
    assert_ne!(new, project.public_key);
    assert_eq!(server.get(By::Key(new), "/v1/project").await.code(), "forbidden");
    assert_eq!(server.get(By::Key(&project.public_key), "/v1/project").await.code(), "unauthenticated");
}

#[tokio::test]
async fn a_key_of_another_project_is_not_found() {
    let server = Server::start().await;
    let (project, other) = (server.project("a").await, server.project("b").await);
    let secret_id = key_ids(&server, &other).await.remove(1);
    let foreign = rotate(&server, &project, &secret_id, json!({})).await;
    let missing = rotate(&server, &project, "key_nonsense", json!({})).await;
    assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "key_not_found"));
    assert_eq!(foreign.body, missing.body);
    assert!(opens(&server, &other.secret_key).await);
    for body in [json!({ "grace_seconds": 86401 }), json!({ "grace_seconds": -1 }), json!({ "grace": 1 })] {
        assert_eq!(rotate(&server, &other, &secret_id, body).await.code(), "invalid_request");
    }
}
