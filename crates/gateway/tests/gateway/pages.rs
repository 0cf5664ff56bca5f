//! Pages of the process, aliases, and what is not there.

use crate::support::{json, parts, start};

#[tokio::test]
async fn the_page_of_mailed_links_is_closed_up() {
    let address = start(parts()).await;
    let answer = reqwest::get(format!("http://{address}/auth/action")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(header("content-type").starts_with("text/html"));
    let html = answer.text().await.unwrap();
    for mode in
        ["reset_password", "reset_user_password", "verify_email", "accept_invitation", "confirm_registration"]
    {
        assert!(html.contains(mode), "{mode}");
    }
}

#[tokio::test]
async fn health_and_metrics_are_answered_by_every_process() {
    let address = start(parts()).await;
    for path in ["/", "/health", "/ready", "/metrics", "/openapi.json"] {
        let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_run_here_is_named() {
    let address = start(parts()).await;
    for (path, code, named) in [
        ("/v1/kv/a", "service_not_enabled", "bunder-manager"),
        ("/kms/keys", "service_not_enabled", "bun-kms"),
        ("/v1/projects", "service_not_enabled", "platform"),
        ("/nothing", "not_found", "/openapi.json"),
    ] {
        let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        let body = json(answer).await;
        assert_eq!(body["error"]["code"], code, "{path}");
        assert!(body["error"]["message"].as_str().unwrap().contains(named), "{body}");
        assert!(body["error"]["request_id"].as_str().unwrap().starts_with("req_"));
    }
}
