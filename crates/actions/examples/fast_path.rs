//! What the stages in front of a handler cost: `cargo run --release -p actions --example fast_path`. A POST of five
//! fields, its body the input, with the guard `authenticated` and a cookie that is known.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use actions::directory::{ApiKey, Directory, DirectoryError, Organization, PlanAndFeatures, Session, User};
use actions::schema::Schema;
use actions::spec::Private;
use actions::{Application, Call, SESSION_HEADER, Taken, Trail, TriggerKind};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::secret::TokenHash;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const ROUNDS: u32 = 200_000;
const BODY: &[u8] = br#"{"title":"Write the report","priority":3,"done":false,"tags":["work","q3"],"email":"ada@example.com"}"#;

/// One session, one user.
#[derive(Default)]
struct One(Mutex<Option<Session>>);

#[async_trait]
impl Directory for One {
    async fn session(&self, _: &str) -> Result<Option<Session>, DirectoryError> {
        Ok(self.0.lock().unwrap().clone())
    }
    async fn user(&self, id: &str) -> Result<Option<User>, DirectoryError> {
        Ok(Some(User { id: id.to_owned(), role: None }))
    }
    async fn find_user(&self, named: &str) -> Result<Option<User>, DirectoryError> {
        self.user(named).await
    }
    async fn api_key(&self, _: &TokenHash) -> Result<Option<ApiKey>, DirectoryError> {
        Ok(None)
    }
    async fn touch_api_key(&self, _: &str, _: i64) -> Result<(), DirectoryError> {
        Ok(())
    }

    async fn membership(&self, _: &str, _: &str) -> Result<Option<String>, DirectoryError> {
        Ok(None)
    }
    async fn organization(&self, _: &str) -> Result<Option<Organization>, DirectoryError> {
        Ok(None)
    }
    async fn plan_and_features(&self, _: &str, _: i64) -> Result<PlanAndFeatures, DirectoryError> {
        Ok(PlanAndFeatures::default())
    }
    async fn permissions_of(&self, _: &[&str]) -> Result<Vec<String>, DirectoryError> {
        Ok(Vec::new())
    }
    async fn insert_session(&self, session: &Session) -> Result<(), DirectoryError> {
        *self.0.lock().unwrap() = Some(session.clone());
        Ok(())
    }
    async fn revoke_session(&self, _: &str, _: i64) -> Result<(), DirectoryError> {
        Ok(())
    }
    async fn touch_session(&self, _: &str, _: i64, _: i64) -> Result<(), DirectoryError> {
        Ok(())
    }
}

fn schema() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["title", "priority", "done", "tags", "email"],
        "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": 200},
            "priority": {"type": "integer", "minimum": 1, "maximum": 5},
            "done": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
            "email": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"}}})
}

fn told(name: &str, start: Instant) {
    println!("{name}: {:.2} µs", start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Schema::Portable(compiled) = Schema::compile(schema().as_object().unwrap(), false) else { panic!() };
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(serde_json::from_slice::<Value>(black_box(BODY)).unwrap());
    }
    told("parse alone", start);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        assert!(compiled.check_text(black_box(BODY)).unwrap().errors.is_empty());
    }
    told("parse and check", start);
    calls().await;
}

async fn calls() {
    let mut manifest = json!({"handlers": [{"name": "tasks.create", "input": schema(),
        "triggers": [{"kind": "http", "methods": ["POST"], "path": "/tasks"}], "guards": [{"name": "authenticated"}]}],
        "application": {"auth": {"session_secret": "0123456789abcdef0123456789abcdef"}}});
    let secrets = Private::take_from(&mut manifest).unwrap().sessions;
    let application =
        Application::load(&manifest, &secrets, (Arc::new(One::default()), None), Clock::system()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(SESSION_HEADER, HeaderValue::from_static(r#"[{"op":"create","payload":{"userId":"u"}}]"#));
    application.after(&Trail::of_request(), &mut headers).await.unwrap();
    let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("cookie", HeaderValue::try_from(cookie).unwrap());
    let body = Bytes::from_static(BODY);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let call = Call {
            handler: 0,
            trigger: TriggerKind::Api,
            index: Some(0),
            method: &Method::POST,
            query: "",
            headers: &headers,
            path: &[],
            ip: None,
            is_secure: false,
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
            invocation_id: "inv_01",
            request_id: None,
            identity: None,
            attempt: 1,
            job: None,
            event: None,
        };
        let admitted = application.admit(call).await.unwrap();
        black_box(admitted.prepare(Taken::Whole(body.clone())).unwrap());
    }
    told("session, guard, parse, check, context", start);
}
