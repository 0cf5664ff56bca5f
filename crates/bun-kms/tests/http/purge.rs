//! The end of a project.

use crate::support::Server;
use ::ports::lifecycle::ProjectLifecycle as _;
use ::ports::secrets::SecretsError;
use serde_json::json;

#[tokio::test]
async fn nothing_of_a_removed_project_opens_and_nothing_is_left() {
    let server = Server::start().await;
    let secrets = server.service.secrets();
    let (project, other) = (server.project(), server.project());
    for project in [&project, &other] {
        project.write("a", "value").await;
        project.key("k", "aes-256-gcm").await;
    }
    let sealed = secrets.seal(&project.id, "p", b"text").await.unwrap();
    let ciphertext = project.encrypt("k", "text", "").await;
    let wrapped: Vec<u8> = sqlx::query_scalar("SELECT wrapped_key FROM kms_projects WHERE project = $1")
        .bind(project.id.as_str())
        .fetch_one(server.database.read())
        .await
        .unwrap();
    assert_eq!(server.service.store(), "secrets");
    server.service.purge(&project.id).await.unwrap();
    server.service.purge(&project.id).await.unwrap();

    assert!(matches!(secrets.open(&project.id, "p", &sealed).await, Err(SecretsError::NotSealedHere)));
    assert_eq!(project.decrypt("k", &ciphertext, "").await.refusal(), (404, "secret_not_found"));
    assert_eq!(project.get("/secrets/a").await.refusal(), (404, "secret_not_found"));
    secrets.seal(&project.id, "p", b"another").await.unwrap();
    assert!(matches!(secrets.open(&project.id, "p", &sealed).await, Err(SecretsError::NotSealedHere)));
    for table in [
        "SELECT count(*) FROM kms_keys WHERE project = $1",
        "SELECT count(*) FROM kms_key_versions WHERE project = $1",
        "SELECT count(*) FROM kms_secrets WHERE project = $1",
        "SELECT count(*) FROM kms_secret_versions WHERE project = $1",
    ] {
        let query = sqlx::query_scalar::<_, i64>(table).bind(project.id.as_str());
        assert_eq!(query.fetch_one(server.database.read()).await.unwrap(), 0, "{table}");
    }
    for file in ["kms.db", "kms.db-wal"] {
        let bytes = std::fs::read(server.path(file)).unwrap();
        assert!(!bytes.windows(wrapped.len()).any(|window| window == wrapped), "{file}");
    }
    assert_eq!(other.get("/secrets/a").await.text("value"), "value");
    assert_eq!(other.post("/encrypt/k", json!({ "plaintext": "a" })).await.body["version"], 1);
}
