//! Secrets: writing, reading, listing, versions, removing.

use crate::support::{Server, base64, config};
use http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_secret_has_versions_and_the_newest_is_read() {
    let server = Server::start().await;
    let project = server.project();
    assert_eq!(project.write("stripe/live", "one").await, 1);
    let posted = project.post("/secrets", json!({ "name": "stripe/live", "value_b64": base64("two") })).await;
    assert_eq!((posted.status, &posted.body["version"]), (StatusCode::CREATED, &json!(2)));
    let newest = project.get("/secrets/stripe/live").await;
    assert_eq!((newest.text("value").as_str(), &newest.body["version"]), ("two", &json!(2)));
    assert_eq!(newest.text("value_b64"), base64("two"));
    assert_eq!(project.get("/secrets/stripe/live?version=1").await.text("value"), "one");
    for path in ["/secrets/stripe/live?version=3", "/secrets/stripe", "/secrets/live"] {
        assert_eq!(project.get(path).await.refusal(), (404, "secret_not_found"), "{path}");
    }
    let listed = project.get("/secrets").await;
    assert_eq!(listed.body["secrets"][0]["bytes"], 3);
    assert!(!listed.body.to_string().contains("two"));
}

#[tokio::test]
async fn the_oldest_versions_go() {
    let server = Server::start_with(config(json!({ "secret_versions_max": 3 }))).await;
    let project = server.project();
    for version in 1..=5 {
        assert_eq!(project.write("a", &format!("value {version}")).await, version);
    }
    let entry = &project.get("/secrets").await.body["secrets"][0];
    assert_eq!((&entry["version"], &entry["oldest_version"]), (&json!(5), &json!(3)));
    assert_eq!(project.get("/secrets/a?version=3").await.text("value"), "value 3");
    assert_eq!(project.get("/secrets/a?version=2").await.refusal(), (404, "secret_not_found"));
}

#[tokio::test]
async fn secrets_are_their_projects_own() {
    let server = Server::start().await;
    let (one, two) = (server.project(), server.project());
    one.write("a", "of one").await;
    assert_eq!(two.get("/secrets/a").await.refusal(), (404, "secret_not_found"));
    two.write("a", "of two").await;
    assert_eq!(one.get("/secrets/a").await.text("value"), "of one");
    assert_eq!(two.delete("/secrets/a").await.status, StatusCode::NO_CONTENT);
    assert_eq!(one.get("/secrets/a").await.text("value"), "of one");
    assert_eq!(two.get("/secrets").await.body["secrets"], json!([]));
    assert_eq!(two.delete("/secrets/a").await.refusal(), (404, "secret_not_found"));
}

#[tokio::test]
async fn a_record_put_elsewhere_in_the_store_does_not_open() {
    let server = Server::start().await;
    let (one, two) = (server.project(), server.project());
    for project in [&one, &two] {
        project.write("a", "value").await;
        project.write("b", "value").await;
        project.write("b", "value").await;
    }
    let mut write = server.database.write().await.unwrap();
    let swaps = [
        "UPDATE kms_secret_versions SET sealed = (SELECT sealed FROM kms_secret_versions
             WHERE project = $1 AND name = 'a') WHERE project = $2 AND name = 'a'",
        "UPDATE kms_secret_versions SET sealed = (SELECT sealed FROM kms_secret_versions
             WHERE project = $1 AND name = 'a') WHERE project = $1 AND name = 'b' AND version = 1",
        "UPDATE kms_secret_versions SET sealed = (SELECT sealed FROM kms_secret_versions
             WHERE project = $2 AND name = 'b' AND version = 1) WHERE project = $2 AND name = 'b' AND version = 2",
    ];
    for swap in swaps {
        sqlx::query(swap).bind(one.id.as_str()).bind(two.id.as_str()).execute(&mut *write).await.unwrap();
    }
    write.commit().await.unwrap();
    assert_eq!(two.get("/secrets/a").await.refusal(), (500, "internal"));
    assert_eq!(one.get("/secrets/b?version=1").await.refusal(), (500, "internal"));
    assert_eq!(two.get("/secrets/b?version=2").await.refusal(), (500, "internal"));
    assert_eq!(one.get("/secrets/a").await.text("value"), "value");
}

#[tokio::test]
async fn bad_names_bodies_and_sizes_are_refused() {
    let config = config(json!({ "secret_bytes_max": 10, "secrets_per_project_max": 1 }));
    let server = Server::start_with(config).await;
    let project = server.project();
    project.write("a", "0123456789").await;
    for (name, value, refusal) in [
        ("a", "01234567890", (413, "body_too_large")),
        ("b", "0", (413, "limit_exceeded")),
        ("../a", "0", (400, "invalid_name")),
        ("a/../b", "0", (400, "invalid_name")),
        ("a\0", "0", (400, "invalid_name")),
        ("", "0", (400, "invalid_name")),
        (&"a".repeat(10 << 10), "0", (400, "invalid_name")),
    ] {
        let answer = project.post("/secrets", json!({ "name": name, "value": value })).await;
        assert_eq!(answer.refusal(), refusal, "{name}");
    }
    for path in ["/secrets/a%00", "/secrets/%2e%2e/a", "/secrets/a//b", "/secrets/a%20b"] {
        assert_eq!(project.get(path).await.refusal(), (400, "invalid_name"), "{path}");
    }
    for body in [json!({}), json!({ "value": "a", "value_b64": "YQ==" }), json!({ "value": 1 })] {
        assert_eq!(
            project.put("/secrets/a", body.clone()).await.refusal(),
            (400, "invalid_request"),
            "{body}"
        );
    }
    assert_eq!(project.get("/secrets/a").await.body["version"], 1);
}

#[tokio::test]
async fn no_value_and_no_key_is_on_disk_in_clear() {
    let server = Server::start().await;
    let project = server.project();
    project.write("a", "the quick brown fox").await;
    project.key("k", "aes-256-gcm").await;
    project.encrypt("k", "jumps over the lazy dog", "context-of-it").await;
    project.post("/secrets", json!({ "name": "b", "value": "x".repeat(70 << 10) })).await;
    assert_eq!(project.get("/secrets/a").await.text("value"), "the quick brown fox");
    let directory = server.stop().await;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for text in ["quick brown", "lazy dog", "context-of-it", "xxxxxxxxx"] {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
        }
    }
}

#[tokio::test]
async fn secrets_stay_after_a_restart() {
    let server = Server::start().await;
    let project = server.project();
    project.write("a", "value").await;
    let id = project.id.clone();
    let server = server.restart(config(json!({}))).await;
    let project = crate::support::Project { id, ..server.project() };
    assert_eq!(project.get("/secrets/a").await.text("value"), "value");
}
