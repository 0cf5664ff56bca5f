//! Keys: making, listing, rotating, revoking, removing.

use crate::support::{Server, config};
use http::StatusCode;
use serde_json::json;

const TYPES: [&str; 5] = ["aes-256-gcm", "xchacha20-poly1305", "ed25519", "ecdsa-p256", "hmac-sha256"];

#[tokio::test]
async fn a_key_of_each_type_is_made_listed_and_read() {
    let server = Server::start().await;
    let project = server.project();
    for kind in TYPES {
        project.key(kind, kind).await;
    }
    let first = project.get("/keys?limit=3").await;
    let names = |answer: &crate::support::Answer| -> Vec<String> {
        let keys = answer.body["keys"].as_array().unwrap();
        keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["aes-256-gcm", "ecdsa-p256", "ed25519"]);
    let next = project.get(&format!("/keys?cursor={}", first.text("next_cursor"))).await;
    assert_eq!(names(&next), ["hmac-sha256", "xchacha20-poly1305"]);
    assert!(next.body.get("next_cursor").is_none());
    for kind in TYPES {
        let key = project.get(&format!("/keys/{kind}")).await.body;
        assert_eq!(
            (&key["type"], &key["state"], &key["version"]),
            (&json!(kind), &json!("active"), &json!(1))
        );
        let public = &key["versions"][0]["public_key"];
        assert_eq!(public.is_string(), kind.starts_with("ed") || kind.starts_with("ec"), "{kind}");
        assert!(public.as_str().is_none_or(|pem| pem.starts_with("-----BEGIN PUBLIC KEY-----\n")));
    }
}

#[tokio::test]
async fn two_projects_have_keys_of_the_same_name() {
    let server = Server::start().await;
    let (one, two) = (server.project(), server.project());
    one.key("k", "aes-256-gcm").await;
    let other = two.get("/keys/k").await;
    assert_eq!(other.refusal(), (404, "secret_not_found"));
    assert_eq!(other.body, two.get("/keys/k").await.body);
    two.key("k", "ed25519").await;
    let ciphertext = one.encrypt("k", "text", "").await;
    assert_eq!(two.delete("/keys/k").await.status, StatusCode::NO_CONTENT);
    assert_eq!(one.decrypt("k", &ciphertext, "").await.text("plaintext"), "text");
    assert_eq!(two.get("/keys").await.body["keys"], json!([]));
}

#[tokio::test]
async fn a_name_is_taken_once_and_bad_bodies_are_refused() {
    let server = Server::start().await;
    let project = server.project();
    project.key("k", "ed25519").await;
    for (body, status, code) in [
        (json!({ "name": "k", "type": "ed25519" }), 409, "conflict"),
        (json!({ "name": "a/b", "type": "ed25519" }), 400, "invalid_name"),
        (json!({ "name": "..", "type": "ed25519" }), 400, "invalid_name"),
        (json!({ "name": "a\0", "type": "ed25519" }), 400, "invalid_name"),
        (json!({ "name": "a".repeat(10 << 10), "type": "ed25519" }), 400, "invalid_name"),
        (json!({ "name": "a", "type": "rsa-2048" }), 400, "invalid_request"),
        (json!({ "name": "a" }), 400, "invalid_request"),
        (json!({ "name": "a", "type": "ed25519", "exportable": true }), 400, "invalid_request"),
    ] {
        assert_eq!(project.post("/keys", body.clone()).await.refusal(), (status, code), "{body}");
    }
    for path in ["/keys?limit=0", "/keys?limit=1001", "/keys?limit=x", "/keys?color=red"] {
        assert_eq!(project.get(path).await.refusal(), (400, "invalid_request"), "{path}");
    }
}

#[tokio::test]
async fn after_rotation_the_old_version_still_decrypts_and_verifies() {
    let server = Server::start().await;
    let project = server.project();
    for kind in ["aes-256-gcm", "xchacha20-poly1305"] {
        project.key(kind, kind).await;
        let old = project.encrypt(kind, "text", "context").await;
        let rotated = project.post(&format!("/keys/{kind}/rotate"), json!({})).await;
        assert_eq!(rotated.body, json!({ "name": kind, "version": 2 }));
        let decrypted = project.decrypt(kind, &old, "context").await;
        assert_eq!((decrypted.text("plaintext").as_str(), &decrypted.body["version"]), ("text", &json!(1)));
        let body = json!({ "ciphertext": old, "aad": "context" });
        let rewrapped = project.post(&format!("/rewrap/{kind}"), body).await;
        assert_eq!(rewrapped.body["version"], 2);
        let decrypted = project.decrypt(kind, &rewrapped.text("ciphertext"), "context").await;
        assert_eq!((decrypted.text("plaintext").as_str(), &decrypted.body["version"]), ("text", &json!(2)));
    }
    for kind in ["ed25519", "ecdsa-p256", "hmac-sha256"] {
        project.key(kind, kind).await;
        let signature = project.post(&format!("/sign/{kind}"), json!({ "data_b64": "dGV4dA==" })).await;
        project.post(&format!("/keys/{kind}/rotate"), json!({})).await;
        let body = json!({ "data_b64": "dGV4dA==", "signature_b64": signature.text("signature_b64") });
        let verified = project.post(&format!("/verify/{kind}"), body).await;
        assert_eq!(verified.body, json!({ "valid": true, "version": 1 }), "{kind}");
    }
}

#[tokio::test]
async fn a_revoked_key_does_nothing_any_more_also_after_a_restart() {
    let server = Server::start().await;
    let project = server.project();
    project.key("k", "aes-256-gcm").await;
    project.key("s", "ed25519").await;
    let ciphertext = project.encrypt("k", "text", "").await;
    for key in ["k", "s"] {
        assert_eq!(project.post(&format!("/keys/{key}/revoke"), json!({})).await.status, 204);
    }
    let id = project.id.clone();
    let server = server.restart(config(json!({}))).await;
    let project = crate::support::Project { id, ..server.project() };
    let decrypt = json!({ "ciphertext": ciphertext });
    for (path, body) in [
        ("/encrypt/k", json!({ "plaintext": "a" })),
        ("/decrypt/k", decrypt.clone()),
        ("/rewrap/k", decrypt),
        ("/sign/s", json!({ "data_b64": "" })),
        ("/verify/s", json!({ "data_b64": "", "signature_b64": "" })),
        ("/keys/k/rotate", json!({})),
    ] {
        assert_eq!(project.post(path, body).await.refusal(), (409, "conflict"), "{path}");
    }
    let key = project.get("/keys/s").await;
    assert_eq!(key.body["state"], "revoked");
    assert!(key.body["versions"][0]["public_key"].is_string());
    assert_eq!(project.post("/keys/k/revoke", json!({})).await.status, 204);
    let material = "SELECT count(*) FROM kms_key_versions WHERE material IS NOT NULL";
    let left: i64 = sqlx::query_scalar(material).fetch_one(server.database.read()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_key_made_anew_does_not_open_what_the_removed_one_sealed() {
    let server = Server::start().await;
    let project = server.project();
    project.key("k", "aes-256-gcm").await;
    let ciphertext = project.encrypt("k", "text", "").await;
    assert_eq!(project.delete("/keys/k").await.status, StatusCode::NO_CONTENT);
    assert_eq!(project.decrypt("k", &ciphertext, "").await.refusal(), (404, "secret_not_found"));
    assert_eq!(project.delete("/keys/k").await.refusal(), (404, "secret_not_found"));
    project.key("k", "aes-256-gcm").await;
    assert_eq!(project.decrypt("k", &ciphertext, "").await.refusal(), (400, "decryption_failed"));
}

#[tokio::test]
async fn keys_and_versions_have_limits() {
    let server =
        Server::start_with(config(json!({ "keys_per_project_max": 1, "key_versions_max": 2 }))).await;
    let project = server.project();
    project.key("k", "ed25519").await;
    let second = project.post("/keys", json!({ "name": "l", "type": "ed25519" })).await;
    assert_eq!(second.refusal(), (413, "limit_exceeded"));
    assert_eq!(project.post("/keys/k/rotate", json!({})).await.body["version"], 2);
    assert_eq!(project.post("/keys/k/rotate", json!({})).await.refusal(), (413, "limit_exceeded"));
    server.project().key("k", "ed25519").await;
}

#[tokio::test]
async fn a_version_that_encrypted_as_much_as_it_may_is_rotated_by_itself() {
    let server = Server::start_with(config(json!({ "messages_per_version_max": 3 }))).await;
    let project = server.project();
    project.key("aes", "aes-256-gcm").await;
    project.key("xchacha", "xchacha20-poly1305").await;
    let encrypt = |key: &'static str| {
        let project = &project;
        async move { project.post(&format!("/encrypt/{key}"), json!({ "plaintext": "a" })).await.body }
    };
    let mut versions = Vec::new();
    for _ in 0..7 {
        versions.push(encrypt("aes").await["version"].as_u64().unwrap());
        assert_eq!(encrypt("xchacha").await["version"], 1);
    }
    assert_eq!(versions, [1, 1, 1, 2, 2, 2, 3]);
    // What was set aside before the restart counts as used.
    let id = project.id.clone();
    let server = server.restart(config(json!({ "messages_per_version_max": 3 }))).await;
    let project = crate::support::Project { id, ..server.project() };
    assert_eq!(project.post("/encrypt/aes", json!({ "plaintext": "a" })).await.body["version"], 4);
}
