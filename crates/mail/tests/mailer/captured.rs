//! Captured mail: files and routes.

use crate::support::mail;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use mail::{CapturedMail, MailConfig, Mailer};
use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant};
use ports::audit::AuditEntry;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Lets in whoever brings the instance token.
struct Operators;

#[async_trait]
impl Access for Operators {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        assert!(matches!(ask, Ask::Operator));
        match credentials.bearer.as_ref().map(|token| token.expose_secret()) {
            Some("operator") => Ok(Caller::Operator.into()),
            _ => Err(AccessError::Unauthenticated("bring the instance token")),
        }
    }

    async fn record(&self, _entry: AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

struct Server {
    directory: tempfile::TempDir,
    mailer: Arc<Mailer>,
    router: Router,
}

impl Server {
    fn start(captured_max: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config =
            MailConfig { captured_max: NonZeroUsize::new(captured_max).unwrap(), ..MailConfig::default() };
        let mailer = Mailer::start(config, &directory.path().join("mail")).unwrap();
        let router = mailer.routes(Arc::new(Operators)).router;
        Self { directory, mailer, router }
    }

    /// Captured mail once the newest is for `to`.
    async fn captured_up_to(&self, to: &str) -> Vec<CapturedMail> {
        loop {
            let mails = self.mailer.captured().await.unwrap();
            if mails.first().is_some_and(|newest| newest.to == to) {
                return mails;
            }
        }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn without_a_mail_server_the_newest_messages_are_kept_as_private_files() {
    let server = Server::start(3);
    assert!(!server.mailer.delivers());
    for number in 0..5 {
        server.mailer.send(mail(&format!("p{number}@example.com"))).unwrap();
    }
    let kept = server.captured_up_to("p4@example.com").await;
    server.mailer.shutdown().await;
    let to: Vec<_> = kept.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["p4@example.com", "p3@example.com", "p2@example.com"]);
    let directory = server.directory.path().join("mail");
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn whoever_runs_the_server_reads_captured_mail_and_nobody_else() {
    let server = Server::start(10);
    server.mailer.send(mail("ada@example.com")).unwrap();
    let id = server.captured_up_to("ada@example.com").await[0].id.clone();
    let one = format!("/v1/instance/mail/{id}");
    for path in ["/v1/instance/mail", &one] {
        for token in [None, Some("other")] {
            assert_eq!(server.get(path, token).await.0, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    let (status, list) = server.get("/v1/instance/mail", Some("operator")).await;
    assert_eq!((status, &list["delivers"]), (StatusCode::OK, &Value::Bool(false)));
    assert_eq!(list["messages"][0]["id"], id);
    assert!(!list.to_string().contains("s3cret"));
    let (status, shown) = server.get(&one, Some("operator")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shown["to"], "ada@example.com");
    assert!(shown["text"].as_str().unwrap().contains("s3cret"));
}

#[tokio::test]
async fn what_a_crash_left_behind_does_not_hide_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let kept = CapturedMail {
        id: "eml_0123456789abcdef0123456789abcdef".into(),
        to: "ada@example.com".into(),
        subject: "Hello".into(),
        at: "2026-01-31T08:30:00Z".into(),
        text: "Bye.".into(),
        html: None,
        copies: Vec::new(),
        attachments: Vec::new(),
    };
    std::fs::write(file(&format!("{}.json", kept.id)), serde_json::to_vec(&kept).unwrap()).unwrap();
    std::fs::write(file("eml_00000000000000000000000000000000.json"), b"").unwrap();
    std::fs::write(file("eml_11111111111111111111111111111111.part"), b"{").unwrap();
    let mailer = Mailer::start(MailConfig::default(), directory.path()).unwrap();
    let captured = mailer.captured().await.unwrap();
    assert_eq!(captured.iter().map(|mail| mail.id.as_str()).collect::<Vec<_>>(), [kept.id]);
    assert!(!file("eml_11111111111111111111111111111111.part").exists());
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_not_found() {
    let server = Server::start(10);
    let unknown = "eml_0123456789abcdef0123456789abcdef";
    for id in [unknown, "x", "..%2F..%2Fetc%2Fpasswd", "eml_"] {
        let (status, body) = server.get(&format!("/v1/instance/mail/{id}"), Some("operator")).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &"not_found".into()), "{id}");
    }
}
