//! Encrypting, decrypting, signing, verifying.

use crate::support::{Server, base64, config, unbase64};
use serde_json::json;

#[tokio::test]
async fn text_and_bytes_come_back_as_they_were() {
    let server = Server::start().await;
    let project = server.project();
    for kind in ["aes-256-gcm", "xchacha20-poly1305"] {
        project.key(kind, kind).await;
        let ciphertext = project.encrypt(kind, "grüße", "").await;
        let decrypted = project.decrypt(kind, &ciphertext, "").await.body;
        assert_eq!(
            decrypted,
            json!({ "plaintext": "grüße", "plaintext_b64": base64("grüße"), "version": 1 })
        );
        let body = json!({ "plaintext_b64": base64([0xff, 0]) });
        let ciphertext = project.post(&format!("/encrypt/{kind}"), body).await.text("ciphertext");
        let decrypted = project.decrypt(kind, &ciphertext, "").await.body;
        assert_eq!(decrypted, json!({ "plaintext_b64": base64([0xff, 0]), "version": 1 }));
    }
}

#[tokio::test]
async fn ciphertext_has_the_documented_form() {
    let server = Server::start().await;
    let project = server.project();
    for (number, kind, nonce_len) in [(1, "aes-256-gcm", 12), (2, "xchacha20-poly1305", 24)] {
        project.key(kind, kind).await;
        let bytes = unbase64(&project.encrypt(kind, "text", "").await);
        assert_eq!(&bytes[..9], [b'B', b'B', b'K', b'1', number, 0, 0, 0, 1]);
        assert_eq!(bytes.len(), 9 + nonce_len + 4 + 16);
        let again = unbase64(&project.encrypt(kind, "text", "").await);
        assert_ne!(bytes[9..9 + nonce_len], again[9..9 + nonce_len]);
    }
}

#[tokio::test]
async fn ciphertext_opens_only_where_it_was_made() {
    let server = Server::start().await;
    let (project, other) = (server.project(), server.project());
    for project in [&project, &other] {
        project.key("k", "aes-256-gcm").await;
        project.key("l", "aes-256-gcm").await;
        project.key("x", "xchacha20-poly1305").await;
        project.post("/keys/k/rotate", json!({})).await;
    }
    let ciphertext = project.encrypt("k", "text", "context").await;
    assert_eq!(project.decrypt("k", &ciphertext, "context").await.text("plaintext"), "text");
    let refused = (400, "decryption_failed");
    assert_eq!(other.decrypt("k", &ciphertext, "context").await.refusal(), refused);
    assert_eq!(project.decrypt("l", &ciphertext, "context").await.refusal(), refused);
    assert_eq!(project.decrypt("x", &ciphertext, "context").await.refusal(), refused);
    assert_eq!(project.decrypt("k", &ciphertext, "").await.refusal(), refused);
    assert_eq!(project.decrypt("k", &ciphertext, "contexT").await.refusal(), refused);
    for version in [0, 1, 3, u32::MAX] {
        let mut bytes = unbase64(&ciphertext);
        bytes[5..9].copy_from_slice(&version.to_be_bytes());
        assert_eq!(project.decrypt("k", &base64(&bytes), "context").await.refusal(), refused, "{version}");
    }
}

#[tokio::test]
async fn a_change_of_any_byte_is_refused() {
    let server = Server::start().await;
    let project = server.project();
    project.key("k", "aes-256-gcm").await;
    let sealed = unbase64(&project.encrypt("k", "text", "").await);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        for bytes in [&changed[..], &sealed[..at]] {
            let answer = project.decrypt("k", &base64(bytes), "").await;
            assert_eq!(answer.refusal(), (400, "decryption_failed"), "byte {at}");
            let answer = project.post("/rewrap/k", json!({ "ciphertext": base64(bytes) })).await;
            assert_eq!(answer.refusal(), (400, "decryption_failed"), "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_wrong_operation_says_which_type_can() {
    let server = Server::start().await;
    let project = server.project();
    project.key("aes", "aes-256-gcm").await;
    project.key("ed", "ed25519").await;
    for (path, body) in [
        ("/encrypt/ed", json!({ "plaintext": "a" })),
        ("/decrypt/ed", json!({ "ciphertext": "" })),
        ("/rewrap/ed", json!({ "ciphertext": "" })),
        ("/sign/aes", json!({ "data_b64": "" })),
        ("/verify/aes", json!({ "data_b64": "", "signature_b64": "" })),
    ] {
        let answer = project.post(path, body).await;
        assert_eq!(answer.refusal(), (400, "invalid_request"), "{path}");
        assert!(answer.message().contains("make one of type"), "{path}: {}", answer.message());
    }
}

#[tokio::test]
async fn a_signature_is_of_one_project_key_and_text() {
    let server = Server::start().await;
    let (project, other) = (server.project(), server.project());
    for kind in ["ed25519", "ecdsa-p256", "hmac-sha256"] {
        project.key(kind, kind).await;
        other.key(kind, kind).await;
        let signed = project.post(&format!("/sign/{kind}"), json!({ "data_b64": base64("text") })).await;
        let signature = signed.text("signature_b64");
        let verify =
            |text: &str, signature: &str| json!({ "data_b64": base64(text), "signature_b64": signature });
        let path = format!("/verify/{kind}");
        assert_eq!(project.post(&path, verify("text", &signature)).await.body["valid"], true);
        assert_eq!(project.post(&path, verify("texT", &signature)).await.body, json!({ "valid": false }));
        assert_eq!(other.post(&path, verify("text", &signature)).await.body["valid"], false);
        assert_eq!(project.post(&path, verify("text", "")).await.body["valid"], false);
    }
}

#[tokio::test]
async fn a_public_key_verifies_outside() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
    let server = Server::start().await;
    let project = server.project();
    let algorithms: [(&str, &dyn VerificationAlgorithm); 2] =
        [("ed25519", &ED25519), ("ecdsa-p256", &ECDSA_P256_SHA256_FIXED)];
    for (kind, algorithm) in algorithms {
        project.key(kind, kind).await;
        let signed = project.post(&format!("/sign/{kind}"), json!({ "data_b64": base64("text") })).await;
        let key = project.get(&format!("/keys/{kind}")).await.body;
        let pem = key["versions"][0]["public_key"].as_str().unwrap();
        let der = unbase64(&pem.lines().filter(|line| !line.starts_with('-')).collect::<String>());
        let public = UnparsedPublicKey::new(algorithm, der);
        public.verify(b"text", &unbase64(&signed.text("signature_b64"))).unwrap();
    }
}

#[tokio::test]
async fn payloads_have_a_limit_and_bad_bodies_are_refused() {
    let server = Server::start_with(config(json!({ "payload_bytes_max": 100 }))).await;
    let project = server.project();
    project.key("k", "aes-256-gcm").await;
    let full = project.encrypt("k", &"a".repeat(100), "").await;
    assert_eq!(project.decrypt("k", &full, "").await.text("plaintext").len(), 100);
    for (path, body, refusal) in [
        ("/encrypt/k", json!({ "plaintext": "a".repeat(101) }), (413, "body_too_large")),
        ("/encrypt/k", json!({ "plaintext": "a".repeat(1 << 20) }), (413, "body_too_large")),
        ("/encrypt/k", json!({ "plaintext": "a", "aad": "a".repeat(4097) }), (413, "body_too_large")),
        ("/decrypt/k", json!({ "ciphertext": base64([0; 200]) }), (413, "body_too_large")),
        ("/encrypt/k", json!({}), (400, "invalid_request")),
        ("/encrypt/k", json!({ "plaintext": "a", "plaintext_b64": "YQ==" }), (400, "invalid_request")),
        ("/encrypt/k", json!({ "plaintext_b64": "!" }), (400, "invalid_request")),
        ("/encrypt/k", json!({ "plaintext": 1 }), (400, "invalid_request")),
        ("/encrypt/k", json!({ "plaintext": "a", "nonce": "" }), (400, "invalid_request")),
        ("/decrypt/k", json!({ "ciphertext": "" }), (400, "decryption_failed")),
        ("/encrypt/missing", json!({ "plaintext": "a" }), (404, "secret_not_found")),
        ("/encrypt/%2e%2e", json!({ "plaintext": "a" }), (400, "invalid_name")),
    ] {
        assert_eq!(project.post(path, body.clone()).await.refusal(), refusal, "{path} {body}");
    }
}
