//! The root key at start: file, setting, passphrase; the right one, a wrong one, none.

use crate::support::{Server, config, start_in};
use bun_kms::{KmsConfig, KmsError};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

async fn refused(directory: &Path, settings: Value) -> KmsError {
    let (database, started) = start_in(directory, config(settings)).await;
    database.close().await;
    started.err().expect("the start is refused")
}

/// A directory with one secret in it.
async fn written(settings: Value) -> (tempfile::TempDir, service_kit::ids::ProjectId) {
    let server = Server::start_with(config(settings)).await;
    let project = server.project();
    project.write("a", "value").await;
    let id = project.id.clone();
    (server.stop().await, id)
}

async fn reads(directory: &Path, settings: Value, project: &service_kit::ids::ProjectId) {
    use secrecy::ExposeSecret as _;
    let (database, started) = start_in(directory, config(settings)).await;
    let service = started.unwrap();
    assert_eq!(service.secrets().get(project, "a").await.unwrap().expose_secret(), b"value");
    service.shutdown().await;
    database.close().await;
}

#[tokio::test]
async fn a_missing_key_file_is_not_made_anew_over_data() {
    let (directory, project) = written(json!({})).await;
    let path = directory.path().join("root.key");
    let key = std::fs::read_to_string(&path).unwrap();
    std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    let error = refused(directory.path(), json!({})).await;
    assert!(matches!(error, KmsError::RootKeyFileMissing { .. }), "{error}");
    assert!(error.to_string().contains("put the file back"));
    assert!(!path.exists());
    reads(directory.path(), json!({ "root_key": key.trim() }), &project).await;
    std::fs::rename(directory.path().join("elsewhere"), &path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = refused(directory.path(), json!({})).await;
    assert!(error.to_string().contains("chmod 600"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    reads(directory.path(), json!({}), &project).await;
}

#[tokio::test]
async fn a_wrong_root_key_is_told_at_start() {
    let key = "ab".repeat(32);
    let (directory, project) = written(json!({ "root_key": key })).await;
    assert!(!directory.path().join("root.key").exists());
    let error = refused(directory.path(), json!({ "root_key": "cd".repeat(32) })).await;
    assert!(matches!(error, KmsError::WrongRootKey { origin: "`kms.root_key`", .. }), "{error}");
    let error = refused(directory.path(), json!({ "root_key": "hunter2" })).await;
    assert!(matches!(error, KmsError::RootKeyForm) && !error.to_string().contains("hunter2"));
    let error = refused(directory.path(), json!({ "passphrase": "correct horse battery" })).await;
    assert!(matches!(error, KmsError::WrongRootKey { origin: "`kms.passphrase`", .. }), "{error}");
    let error = refused(directory.path(), json!({})).await;
    assert!(matches!(error, KmsError::RootKeyFileMissing { .. }), "{error}");
    let base64 = format!("base64:{}", crate::support::base64([0xab; 32]));
    reads(directory.path(), json!({ "root_key": base64 }), &project).await;
}

#[tokio::test]
async fn a_passphrase_opens_what_it_sealed() {
    let right = json!({ "passphrase": "correct horse battery" });
    let (directory, project) = written(right.clone()).await;
    assert!(!directory.path().join("root.key").exists());
    reads(directory.path(), right, &project).await;
    let error = refused(directory.path(), json!({ "passphrase": "correct horse batterY" })).await;
    assert!(matches!(error, KmsError::WrongRootKey { .. }), "{error}");
    let error = refused(directory.path(), json!({})).await;
    assert!(matches!(error, KmsError::PassphraseMissing { .. }), "{error}");
    let error = refused(directory.path(), json!({ "passphrase": "short" })).await;
    assert!(matches!(error, KmsError::PassphraseTooShort { .. }), "{error}");
}

#[tokio::test]
async fn a_key_file_of_another_server_is_told_at_start() {
    let (directory, _) = written(json!({})).await;
    let (other, _) = written(json!({})).await;
    std::fs::copy(other.path().join("root.key"), directory.path().join("root.key")).unwrap();
    let error = refused(directory.path(), json!({})).await;
    assert!(matches!(error, KmsError::WrongRootKey { origin: "the file `root.key`", .. }), "{error}");
}

#[tokio::test]
async fn a_key_file_that_is_there_before_the_database_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    std::fs::write(&path, format!("{}\n", "ab".repeat(32))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (database, started) = start_in(directory.path(), KmsConfig::default()).await;
    started.unwrap().shutdown().await;
    database.close().await;
    let (_database, started) =
        start_in(directory.path(), config(json!({ "root_key": "ab".repeat(32) }))).await;
    assert!(started.is_ok());
}
