//! The configuration of a project's end users.

use crate::support::{Call, EMAIL, Server};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service_kit::ids::ProjectId;

async fn read(server: &Server, project: &ProjectId) -> Value {
    server.send(Call::get("/v1/auth/config").secret(project)).await.body["config"].clone()
}

#[tokio::test]
async fn without_any_the_defaults_hold_and_putting_replaces_the_whole() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let defaults = json!({
        "registration": "open", "require_verified_email": false, "access_token_minutes": 15,
        "session_days": 30, "password_min_length": 8, "site_url": null, "redirect_urls": [],
        "providers": {}, "rate_limit": { "per_minute": 30 },
    });
    assert_eq!(read(&server, &project).await, defaults);
    let set = server.configure(&project, &json!({ "session_days": 7, "password_min_length": 12 })).await;
    assert_eq!(
        (&set.body["config"]["session_days"], &set.body["config"]["registration"]),
        (&json!(7), &json!("open"))
    );
    assert_eq!(read(&server, &project).await, set.body["config"]);
    let short = json!({ "email": EMAIL, "password": "elevenchars" });
    assert_eq!(server.post(&project, "/v1/auth/project/register", &short).await.code(), "weak_password");
    assert_eq!(server.configure(&project, &read(&server, &project).await).await.body, set.body);
    assert_eq!(server.configure(&project, &json!({})).await.body["config"], defaults);
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    for body in [
        json!({ "access_token_minutes": 61 }),
        json!({ "site_url": "https://evil.example" }),
        json!({ "redirect_urls": ["http://app.example"] }),
        json!({ "colour": "red" }),
        json!({ "providers": { "google": { "client_id": "x", "client_secret": 12345678 } } }),
    ] {
        let call = Call::new(Method::PUT, &format!("/v1/projects/{project}/auth/config")).json(&body);
        let answer = server.send(call.role("owner", &project)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "invalid_request"));
        assert!(!answer.body.to_string().contains("12345678"));
    }
    assert_eq!(server.around.documents.commits(), 0);
}

#[tokio::test]
async fn the_secret_of_a_provider_is_kept_elsewhere_and_never_shown() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let provider = |extra: Value| {
        let mut provider = json!({ "client_id": "app", "enabled": true });
        provider.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({ "providers": { "google": provider } })
    };
    let set = server.configure(&project, &provider(json!({ "client_secret": "s3cret" }))).await;
    let reference =
        set.body["config"]["providers"]["google"]["client_secret_ref"].as_str().unwrap().to_owned();
    assert!(!set.body.to_string().contains("s3cret"));
    assert!(!server.around.documents.dump(&project).contains("s3cret"));
    let key = (project.clone(), reference.clone());
    assert_eq!(server.around.secrets.named.lock().unwrap()[&key], b"s3cret");
    for again in [json!({}), json!({ "client_secret_ref": reference })] {
        assert_eq!(server.configure(&project, &provider(again)).await.body, set.body);
    }
    server.configure(&project, &json!({})).await;
    assert!(!server.around.secrets.named.lock().unwrap().contains_key(&key));
}
