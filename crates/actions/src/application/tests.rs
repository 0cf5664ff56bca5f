use super::*;
use crate::SESSION_HEADER;
use crate::directory::{ApiKey, PlanAndFeatures};
use crate::memory::Memory;
use crate::spec::Private;
use secrecy::SecretString;
use serde_json::json;
use service_kit::secret::TokenHash;
use std::sync::atomic::{AtomicI64, Ordering};

const START_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// One application over tables in memory, with a clock that a test sets.
pub(super) struct World {
    tables: Arc<Memory>,
    now_ms: Arc<AtomicI64>,
    application: Application,
}

fn tables() -> Memory {
    let text = |text: &str| text.to_owned();
    let member = |user: &str, org: &str, role: &str| ((text(user), text(org)), text(role));
    let plan = |plan: &str, features: &[&str]| PlanAndFeatures {
        plan: text(plan),
        features: features.iter().map(|feature| text(feature)).collect(),
    };
    let key = |token: &str, scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| text(scope)).collect();
        let key = ApiKey { id: text(token), user_id: text("ada"), scopes, last_used_at: None };
        (TokenHash::of(&SecretString::from(token)), key)
    };
    Memory {
        users: [(text("ada"), Some(text("admin"))), (text("bob"), None), (text("eve"), None)].into(),
        keys: vec![key("bbk_all", &[]), key("bbk_some", &["invoices:read"])],
        members: [
            member("ada", "acme", "owner"),
            member("bob", "acme", "member"),
            member("eve", "poor", "admin"),
        ]
        .into(),
        organizations: [(text("acme"), plan("pro", &["sso"])), (text("poor"), plan("free", &[]))].into(),
        permissions: [
            (text("admin"), vec![text("invoices:*")]),
            (text("owner"), vec![text("*")]),
            (text("org:member"), vec![text("org:read")]),
        ]
        .into(),
        ..Memory::default()
    }
}

fn world(handler: &Value) -> World {
    let mut manifest = json!({"version": 1, "handlers": [handler], "application": {
        "auth": {"session_secret": "0123456789abcdef0123456789abcdef"},
        "cors": {"origin": ["https://friend.test"]}}});
    let secrets = Private::take_from(&mut manifest).unwrap().sessions;
    let (tables, now_ms) = (Arc::new(tables()), Arc::new(AtomicI64::new(START_MS)));
    let clock = Clock::reading({
        let now_ms = now_ms.clone();
        move || now_ms.load(Ordering::Relaxed)
    });
    let application = Application::load(&manifest, &secrets, (tables.clone(), None), clock).unwrap();
    World { tables, now_ms, application }
}

fn guarded(guards: &Value) -> World {
    world(&json!({"name": "a", "triggers": [{"kind": "http", "path": "/a"}], "guards": guards}))
}

#[derive(Clone)]
struct Request {
    method: Method,
    query: &'static str,
    headers: HeaderMap,
    ip: &'static str,
    trigger: TriggerKind,
}

fn get() -> Request {
    let headers = HeaderMap::new();
    Request { method: Method::GET, query: "", headers, ip: "10.0.0.1", trigger: TriggerKind::Api }
}

fn post() -> Request {
    Request { method: Method::POST, ..get() }.with("content-type", "application/json")
}

impl Request {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn call(&self) -> Call<'_> {
        Call {
            handler: 0,
            trigger: self.trigger,
            index: Some(0),
            method: &self.method,
            query: self.query,
            headers: &self.headers,
            path: &[],
            ip: self.ip.parse().ok(),
            is_secure: true,
            trace_id: "trace",
            invocation_id: "inv",
            request_id: None,
            identity: None,
            attempt: 1,
            job: None,
            event: None,
        }
    }
}

impl World {
    async fn run(&self, request: &Request, body: &'static str) -> Result<(Before, Value), Refused> {
        let admitted = self.application.admit(request.call()).await?;
        let before = admitted.prepare(Taken::Whole(Bytes::from_static(body.as_bytes())))?;
        let context = serde_json::from_slice(before.context.as_bytes()).unwrap();
        Ok((before, context))
    }

    async fn status(&self, request: &Request) -> u16 {
        self.run(request, "").await.map_or_else(|refused| refused.error.code.status().as_u16(), |_| 200)
    }

    async fn cookie(&self, payload: Value) -> String {
        let mut headers = HeaderMap::new();
        let ops = json!([{"op": "create", "payload": payload}]).to_string();
        headers.insert(SESSION_HEADER, HeaderValue::try_from(ops).unwrap());
        self.application.after(&Trail::of_request(), &mut headers).await.unwrap();
        assert!(!headers.contains_key(SESSION_HEADER));
        headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    async fn signed_in(&self, user: &str) -> Request {
        get().with("cookie", &self.cookie(json!({"userId": user})).await)
    }

    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_session_lasts_until_it_is_revoked_anywhere() {
    let world = guarded(&json!([{"name": "authenticated"}]));
    assert_eq!(world.status(&get()).await, 401);
    let ada = world.signed_in("ada").await;
    let (_, context) = world.run(&ada, "").await.unwrap();
    assert_eq!(context["auth"]["userId"], "ada");
    assert_eq!(context["auth"]["permissions"], json!(["invoices:*"]));
    assert_eq!(context["guards"], 1);
    let asked = world.tables.asked.load(Ordering::Relaxed);
    assert_eq!(world.status(&ada).await, 200);
    assert_eq!(world.tables.asked.load(Ordering::Relaxed), asked, "a moment ago is remembered");
    for session in world.tables.sessions.lock().unwrap().values_mut() {
        session.revoked_at = Some(START_MS);
    }
    world.pass(5_000);
    assert_eq!(world.status(&ada).await, 401);
}

#[tokio::test]
async fn logging_out_holds_at_once_and_logging_in_ends_the_session_before() {
    let world = guarded(&json!([{"name": "authenticated"}]));
    for op in [json!({"op": "destroy"}), json!({"op": "create", "payload": {"userId": "bob"}})] {
        let ada = world.signed_in("ada").await;
        let (before, _) = world.run(&ada, "").await.unwrap();
        let mut headers = HeaderMap::new();
        let said = json!([op]).to_string();
        headers.insert(SESSION_HEADER, HeaderValue::try_from(said).unwrap());
        world.application.after(&before.trail, &mut headers).await.unwrap();
        let cookie = headers["set-cookie"].to_str().unwrap();
        assert_eq!(cookie.contains("Max-Age=0"), op["op"] == "destroy", "{cookie}");
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"));
        assert_eq!(world.status(&ada).await, 401);
    }
}

#[tokio::test]
async fn a_session_of_nobody_says_what_to_do() {
    let world = guarded(&json!([]));
    let mut headers = HeaderMap::new();
    let ops = json!([{"op": "create", "payload": {"userId": "nobody"}}]).to_string();
    headers.insert(SESSION_HEADER, HeaderValue::try_from(ops).unwrap());
    let error = world.application.after(&Trail::of_request(), &mut headers).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.message.contains("nobody") && error.message.contains("`users`"), "{error:?}");
    assert!(!headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_session_in_use_goes_on_and_one_that_is_not_ends() {
    let world = guarded(&json!([{"name": "authenticated"}]));
    let ada = world.signed_in("ada").await;
    world.pass(4 * DAY_MS);
    let (before, _) = world.run(&ada, "").await.unwrap();
    let renewed = before.headers["set-cookie"].to_str().unwrap().to_owned();
    world.pass(6 * DAY_MS);
    assert_eq!(world.status(&ada).await, 401, "the old token has ended");
    let again = get().with("cookie", renewed.split(';').next().unwrap());
    assert_eq!(world.status(&again).await, 200);
    world.pass(8 * DAY_MS);
    assert_eq!(world.status(&again).await, 401);
}

#[tokio::test]
async fn tokens_and_keys_speak_for_their_user() {
    let world = guarded(&json!([{"name": "hasPermission", "options": {"permission": "invoices:read"}}]));
    let cookie = world.cookie(json!({"userId": "ada"})).await;
    let bearer = |token: &str| get().with("authorization", &format!("Bearer {token}"));
    let token = bearer(cookie.split_once('=').unwrap().1);
    assert_eq!(world.run(&token, "").await.unwrap().1["auth"]["kind"], "bearer");
    for (key, role) in [("bbk_all", json!("admin")), ("bbk_some", Value::Null)] {
        let (_, context) = world.run(&bearer(key), "").await.unwrap();
        assert_eq!((&context["auth"]["kind"], &context["auth"]["role"]), (&json!("api_key"), &role));
    }
    assert_eq!(world.status(&get().with("x-api-key", "bbk_all")).await, 200);
    // Beside the calls: each was looked up once.
    while world.tables.used.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let used = [("bbk_all".to_owned(), START_MS), ("bbk_some".to_owned(), START_MS)];
    assert_eq!(*world.tables.used.lock().unwrap(), used);
    for token in ["bbk_unknown", "a.b", "a.b.c"] {
        assert_eq!(world.status(&bearer(token)).await, 401, "{token}");
    }
    let write = guarded(&json!([{"name": "hasPermission", "options": {"permission": "invoices:write"}}]));
    assert_eq!(write.status(&bearer("bbk_all")).await, 200);
    assert_eq!(write.status(&bearer("bbk_some")).await, 403);
}

#[tokio::test]
async fn a_page_of_another_site_does_not_write_with_the_cookie() {
    let world = guarded(&json!([]));
    let cookie = world.cookie(json!({"userId": "ada"})).await;
    let write = post().with("cookie", &cookie).with("host", "app.test");
    assert_eq!(world.status(&write).await, 200);
    assert_eq!(world.status(&write.clone().with("origin", "https://friend.test")).await, 200);
    let foreign = write.with("origin", "https://evil.test");
    assert_eq!(world.run(&foreign, "").await.unwrap_err().error.code, ErrorCode::OriginNotAllowed);
    let by_key = post().with("authorization", "Bearer bbk_all").with("origin", "https://evil.test");
    assert_eq!(world.status(&by_key).await, 200);
}

#[tokio::test]
async fn guards_of_organisations_look_the_member_up() {
    let world = guarded(&json!([{"name": "inOrg"}, {"name": "hasFeature", "options": {"feature": "sso"}},
        {"name": "trialActiveOrPaid"}, {"name": "hasPermission", "options": {"permission": "org:read"}}]));
    assert_eq!(world.status(&get().with("x-org-id", "acme")).await, 401);
    for user in ["ada", "bob"] {
        let member = world.signed_in(user).await;
        assert_eq!(world.status(&member).await, 400);
        assert_eq!(world.status(&member.clone().with("x-org-id", "nowhere")).await, 404);
        assert_eq!(world.status(&member.clone().with("x-org-id", "poor")).await, 403);
        let (_, context) = world.run(&Request { query: "orgId=acme", ..member.clone() }, "").await.unwrap();
        assert_eq!(context["org"]["features"], json!(["sso"]));
        assert_eq!(context["auth"]["orgId"], "acme");
        assert_eq!(context["auth"]["role"], context["org"]["role"]);
        let cookie = world.cookie(json!({"userId": user, "orgId": "acme"})).await;
        assert_eq!(world.status(&get().with("cookie", &cookie)).await, 200);
    }
    let admin = guarded(&json!([{"name": "inOrg"}, {"name": "hasRole", "options": {"role": "org:member"}}]));
    let bob = admin.signed_in("bob").await.with("x-org-id", "acme");
    assert_eq!(admin.status(&bob).await, 200);
    let ada = admin.signed_in("ada").await.with("x-org-id", "acme");
    assert_eq!(admin.status(&ada).await, 403);
    let misplaced = guarded(&json!([{"name": "trialActiveOrPaid"}]));
    assert_eq!(misplaced.status(&get()).await, 500);
}

#[tokio::test]
async fn who_runs_the_application_is_none_of_an_organisation() {
    let world = guarded(&json!([{"name": "operator", "options": {"permission": "studio.read"}}]));
    assert_eq!(world.status(&get()).await, 401);
    let signed_in = async |payload: Value| get().with("cookie", &world.cookie(payload).await);
    for (payload, expected) in [
        (json!({"userId": "ada"}), 200),
        (json!({"userId": "ada", "orgId": "acme"}), 200),
        (json!({"userId": "bob"}), 403),
        (json!({"userId": "bob", "permissions": ["studio.read"]}), 200),
        (json!({"userId": "bob", "permissions": ["studio.runtime.manage"]}), 403),
        (json!({"userId": "eve", "orgId": "poor"}), 403),
        (json!({"userId": "eve", "orgId": "poor", "permissions": ["*"]}), 403),
    ] {
        assert_eq!(world.status(&signed_in(payload.clone()).await).await, expected, "{payload}");
    }
    assert_eq!(world.status(&get().with("x-api-key", "bbk_all")).await, 200);
    assert_eq!(world.status(&get().with("x-api-key", "bbk_some")).await, 403);
}

#[tokio::test]
async fn limits_count_users_keys_and_networks_and_say_so() {
    let limit = json!({"name": "rateLimit", "options": {"limit": 2, "windowMs": 60_000}});
    let world = guarded(&json!([limit]));
    let ada = world.signed_in("ada").await;
    let sets = [ada, get().with("x-api-key", "bbk_all"), Request { ip: "2001:db8::1", ..get() }];
    for request in &sets {
        let (before, _) = world.run(request, "").await.unwrap();
        assert_eq!(before.headers["ratelimit-remaining"], "1");
        assert_eq!(world.status(request).await, 200);
        let refused = world.run(request, "").await.unwrap_err();
        assert_eq!(refused.error.code, ErrorCode::RateLimited);
        assert_eq!(refused.headers["retry-after"], "64");
    }
    assert_eq!(world.status(&Request { ip: "2001:db8::2", ..get() }).await, 429);
    assert_eq!(world.status(&Request { ip: "2001:db9::1", ..get() }).await, 200);
    world.pass(64_000);
    assert_eq!(world.status(&sets[0]).await, 200);
}

#[tokio::test]
async fn what_follows_a_function_is_left_to_bun_which_asks_for_it() {
    let role = json!({"name": "hasRole", "options": {"role": "admin"}});
    let group = |mode: &str, guards: Value| json!({"name": mode, "options": {"guards": guards}});
    let cases = [
        (json!([{"name": "authenticated"}, {"name": "custom"}, role]), 1),
        (json!([group("sequential", json!([{"name": "authenticated"}, {"name": "custom"}]))]), 0),
        (json!([group("parallel", json!([{"name": "authenticated"}, role])), {"name": "custom"}]), 1),
        (json!([{"name": "rateLimit", "options": {"limit": 1, "windowMs": 1_000, "key": "custom"}}]), 0),
    ];
    for (guards, decided) in cases {
        let world = guarded(&guards);
        let ada = world.signed_in("ada").await;
        assert_eq!(world.run(&ada, "").await.unwrap().1["guards"], decided, "{guards}");
    }
    let world = guarded(&json!([]));
    let ask = async |guard: Value, auth: Value| {
        let request = json!({"guard": guard, "context": {"auth": auth, "org": null, "trigger": "api"},
            "request": {"headers": {"x-org-id": "acme"}, "query": ""}});
        let request = serde_json::from_value(request).unwrap();
        world.application.guard(0, request).await.map(|answer| json!(answer))
    };
    let ada = json!({"userId": "ada", "kind": "session"});
    assert_eq!(ask(json!({"name": "inOrg"}), ada.clone()).await.unwrap()["org"]["role"], "owner");
    assert_eq!(ask(role, ada.clone()).await.unwrap_err().error.code, ErrorCode::Forbidden);
    assert_eq!(
        ask(json!({"name": "custom"}), ada.clone()).await.unwrap_err().error.code,
        ErrorCode::InvalidRequest
    );
    let key = json!({"userId": "ada", "kind": "api_key", "permissions": ["org:read"]});
    let limited = ask(json!({"name": "inOrg"}), key).await.unwrap();
    assert_eq!((&limited["auth"]["permissions"], limited["auth"].get("role")), (&json!(["org:read"]), None));
    let limit = json!({"name": "rateLimit", "options": {"limit": 1, "windowMs": 1_000, "key": "k"}});
    assert_eq!(ask(limit.clone(), Value::Null).await.unwrap()["headers"]["ratelimit-remaining"], "0");
    assert_eq!(ask(limit, ada).await.unwrap_err().error.code, ErrorCode::RateLimited);
}

#[tokio::test]
async fn groups_refuse_as_their_members_do() {
    let group = json!({"name": "parallel", "options": {"guards": [
        {"name": "hasRole", "options": {"role": "x"}}, {"name": "inOrg"}]}});
    let world = guarded(&json!([group]));
    let ada = world.signed_in("ada").await;
    assert_eq!(world.status(&ada).await, 403, "the first of the list");
    let place = |guards: Value| {
        let manifest = json!({"handlers": [{"name": "a", "guards": guards}]});
        let loaded = Application::load(
            &manifest,
            &SessionSecrets::default(),
            (Arc::new(tables()), None),
            Clock::system(),
        );
        loaded.err().unwrap().place
    };
    assert_eq!(place(json!([{"name": "hasRole"}])), "handlers[0].guards[0].options");
    let nested = json!([{"name": "sequential", "options": {"guards": [{"name": "who"}]}}]);
    assert_eq!(place(nested), "handlers[0].guards[0].options.guards[0].name");
}

#[tokio::test]
async fn an_input_is_checked_before_bun_is_called() {
    let world = world(
        &json!({"name": "a", "triggers": [{"kind": "http", "path": "/a"}], "input": {"type": "object",
        "properties": {"n": {"type": "integer"}, "page": {"type": "integer", "default": 1}}, "required": ["n"]}}),
    );
    let (before, context) = world.run(&post(), r#"{"n": 1, "page": 2}"#).await.unwrap();
    assert!(before.body.is_none() && context.get("input").is_none());
    assert_eq!((&context["body"], &context["checked"]), (&json!("json"), &json!(true)));
    let (before, _) = world.run(&post(), r#"{"n": 1}"#).await.unwrap();
    assert_eq!(before.body.unwrap(), r#"{"n":1,"page":1}"#);
    let (_, context) = world.run(&Request { query: "n=5", ..get() }, "").await.unwrap();
    assert_eq!(context["input"], json!({"n": 5, "page": 1}));
    let error = world.run(&post(), r#"{"n": "x"}"#).await.unwrap_err().error;
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert_eq!(error.details.unwrap(), json!([{"path": "/n", "message": "Expected integer"}]));
    assert_eq!(world.run(&post(), "{").await.unwrap_err().error.code, ErrorCode::InvalidJson);
    let event = Request { trigger: TriggerKind::Event, ..get() };
    assert_eq!(world.run(&event, r#"{"n": 1, "page": 1}"#).await.unwrap().1["checked"], true);
    assert_eq!(world.status(&event).await, 400);
    let webhook = Request { trigger: TriggerKind::Webhook, ..post() };
    assert_eq!(world.run(&webhook, "anything").await.unwrap().1["body"], "raw");
}

#[tokio::test]
async fn tables_that_do_not_answer_let_nobody_in() {
    let world = guarded(&json!([{"name": "authenticated"}]));
    let ada = world.signed_in("ada").await;
    world.tables.is_down.store(true, Ordering::Relaxed);
    assert_eq!(world.status(&ada).await, 503);
    assert_eq!(world.status(&get()).await, 401);
}
