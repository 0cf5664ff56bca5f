//! The platform around the documents and functions, as one long day of its users: people, keys, tokens,
//! end users, live data, secrets, keys and values, objects, the audit log. The same day is lived on one
//! process and on seven.

use crate::client::{Answer, Client, PASSWORD, Project};
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const REVOKED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_day_on_one_process() {
    let data = Data::new();
    let server = Server::start(&data).await;
    a_day(&server.client()).await;
    server.stop().await;
}

/// Everything, once.
pub(crate) async fn a_day(nobody: &Client) {
    let ada = nobody.set_up().await;
    let project = ada.project("shop").await;
    let other = ada.project("other").await;
    people(&ada, &project).await;
    tokens(&ada, &project).await;
    keys(&ada, &project).await;
    let user = end_users(nobody, &project, &other).await;
    live_documents(nobody, &project, &user).await;
    events(nobody, &project, &other).await;
    functions(&ada, &project).await;
    secrets(nobody, &project, &other).await;
    values_and_objects(nobody, &project, &other).await;
    audit(&ada, &project).await;
    ada.delete(&format!("/v1/projects/{}", project.id)).await.expect(204);
    let key = nobody.with_key(&project.secret_key);
    soon(|| key.get("/v1/database/collections"), 401, "unauthenticated").await;
    soon(|| key.get("/v1/kms/secrets"), 401, "unauthenticated").await;
    nobody.with_key(&other.secret_key).get("/v1/kms/secrets").await.expect(200);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A revocation shows within 5 seconds, and on one process at once; asked again until then.
async fn soon<A: Future<Output = Answer>>(ask: impl Fn() -> A, status: u16, code: &str) {
    let since = Instant::now();
    loop {
        let answer = ask().await;
        if answer.status.as_u16() == status || since.elapsed() > REVOKED_WITHIN {
            answer.expect_error(status, code);
            return;
        }
    }
}

async fn people(ada: &Client, project: &Project) {
    let members = format!("/v1/projects/{}/members", project.id);
    let invited =
        ada.post(&members, json!({ "email": "bob@example.com", "role": "member" })).await.expect(201);
    let link = text(&invited["link"]);
    let token = link.split_once("token=").unwrap().1;
    let accept = json!({ "token": token, "password": PASSWORD, "name": "Bob" });
    let bob = ada.stranger().accept(accept.clone()).await;
    ada.stranger().post("/v1/invitations/accept", accept).await.expect_error(400, "link_invalid");
    let id = text(&bob.get("/v1/auth/me").await.expect(200)["user"]["id"]).to_owned();
    bob.get(&format!("/v1/projects/{}", project.id)).await.expect(200);
    bob.post(&members, json!({ "email": "eve@example.com", "role": "viewer" }))
        .await
        .expect_error(403, "forbidden");
    let member = format!("{members}/{id}");
    ada.patch(&member, json!({ "role": "viewer" })).await.expect(200);
    let create = format!("/v1/projects/{}/database/collections", project.id);
    soon(|| bob.post(&create, json!({ "name": "" })), 403, "forbidden").await;
    assert_eq!(ada.delete(&member).await.status, 204);
    let seen = format!("/v1/projects/{}", project.id);
    soon(|| bob.get(&seen), 404, "project_not_found").await;
    let own = text(&ada.get("/v1/auth/me").await.expect(200)["user"]["id"]).to_owned();
    ada.delete(&format!("{members}/{own}")).await.expect_error(409, "last_owner");
}

impl Client {
    /// Accepts an invitation with a new account, and is signed in with it.
    async fn accept(&self, body: Value) -> Self {
        let answer = self.post("/v1/invitations/accept", body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        self.with_cookie(answer.headers["set-cookie"].to_str().unwrap())
    }
}

async fn tokens(ada: &Client, project: &Project) {
    let body = json!({ "name": "ci", "scopes": ["functions:read", "projects:read"] });
    let made = ada.post("/v1/auth/tokens", body).await.expect(201);
    let ci = ada.stranger().with_bearer(text(&made["token"]));
    let functions = format!("/v1/projects/{}/functions", project.id);
    ci.get(&functions).await.expect(200);
    ci.get(&format!("/v1/projects/{}/database/collections", project.id)).await.expect_error(403, "forbidden");
    ci.delete(&functions_of(project, "none")).await.expect_error(403, "forbidden");
    ci.post("/v1/auth/tokens", json!({ "name": "x", "scopes": ["*"] })).await.expect_error(403, "forbidden");
    let id = made["id"].as_str().or(made["token_id"].as_str()).unwrap();
    assert_eq!(ada.delete(&format!("/v1/auth/tokens/{id}")).await.status, 204);
    soon(|| ci.get(&functions), 401, "unauthenticated").await;
}

fn functions_of(project: &Project, name: &str) -> String {
    format!("/v1/projects/{}/functions/{name}", project.id)
}

async fn keys(ada: &Client, project: &Project) {
    let keys = format!("/v1/projects/{}/keys", project.id);
    let made = ada.post(&keys, json!({ "kind": "secret", "name": "server" })).await.expect(201);
    let first = ada.stranger().with_key(text(&made["secret"]));
    let id = text(&made["key"]["id"]);
    let rotated = ada.post(&format!("{keys}/{id}/rotate"), json!({})).await.expect(201);
    soon(|| first.get("/v1/database/collections"), 401, "unauthenticated").await;
    ada.stranger().with_key(text(&rotated["secret"])).get("/v1/database/collections").await.expect(200);
    let config = ada.get(&format!("/v1/projects/{}/config", project.id)).await.expect(200);
    assert_eq!(config["config"]["project_id"], json!(project.id));
}

/// An end user: the client with key and token, and the refresh token.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) refresh: String,
}

async fn end_users(nobody: &Client, project: &Project, other: &Project) -> Person {
    let app = nobody.with_key(&project.public_key);
    let credentials = json!({ "email": "Zoe@Example.com", "password": PASSWORD });
    let made = app.post("/v1/auth/project/register", credentials.clone()).await;
    assert!(made.status.is_success(), "{}", made.body);
    app.post("/v1/auth/project/register", credentials.clone()).await.expect_error(409, "account_exists");
    nobody
        .with_key(&other.public_key)
        .post("/v1/auth/project/login", credentials.clone())
        .await
        .expect_error(401, "invalid_credentials");
    let signed_in = app.post("/v1/auth/project/login", credentials).await.expect(200);
    let client = app.with_bearer(text(&signed_in["access_token"]));
    let session = client.get("/v1/auth/session").await.expect(200);
    assert_eq!(session["user"]["email"], "zoe@example.com");
    let foreign = nobody.with_key(&other.public_key).with_bearer(text(&signed_in["access_token"]));
    foreign.get("/v1/auth/session").await.expect_error(401, "token_invalid");
    let refresh = json!({ "refresh_token": signed_in["refresh_token"] });
    let renewed = app.post("/v1/auth/project/refresh", refresh).await.expect(200);
    let id = text(&session["user"]["id"]).to_owned();
    let secret = nobody.with_key(&project.secret_key);
    let claims = format!("/v1/auth/users/{id}/claims");
    secret.put(&claims, json!({ "claims": { "team": "red" } })).await.expect(200);
    let client = app.with_bearer(text(&renewed["access_token"]));
    Person { client, id, refresh: text(&renewed["refresh_token"]).to_owned() }
}

async fn live_documents(nobody: &Client, project: &Project, user: &Person) {
    let secret = nobody.with_key(&project.secret_key);
    let rules = json!({
        "read": "request.auth != null && resource.data.owner == request.auth.uid",
        "create": "request.auth != null && request.resource.data.owner == request.auth.uid",
    });
    secret.post("/v1/database/collections", json!({ "name": "notes", "rules": rules })).await.expect(201);
    let subscribe = "/v1/database/collections/notes/subscribe";
    let mut events = user.client.events(subscribe, None).await;
    let notes = "/v1/database/collections/notes/documents";
    secret.post(notes, json!({ "_id": "foreign", "owner": "somebody" })).await.expect(201);
    user.client.post(notes, json!({ "_id": "own", "owner": user.id })).await.expect(201);
    let first = events.next_named("change").await;
    assert_eq!((&first.data["type"], &first.data["docId"]), (&json!("added"), &json!("own")));
    drop(events);
    secret.patch(&format!("{notes}/own"), json!({ "text": "hello" })).await.expect(200);
    assert_eq!(secret.delete(&format!("{notes}/own")).await.status, 204);
    let mut events = user.client.events(subscribe, first.id.as_deref()).await;
    let changed = events.next_named("change").await;
    assert_eq!(
        (&changed.data["type"], &changed.data["document"]["text"]),
        (&json!("modified"), &json!("hello"))
    );
    assert_eq!(events.next_named("change").await.data["type"], "removed");
    let logout = json!({ "refresh_token": user.refresh });
    assert!(user.client.post("/v1/auth/project/logout", logout).await.status.is_success());
    while let Some(event) = events.next().await {
        assert_eq!(event.name, "close", "{event:?}");
    }
}

async fn events(nobody: &Client, project: &Project, other: &Project) {
    let (ours, theirs) = (nobody.with_key(&project.secret_key), nobody.with_key(&other.secret_key));
    let retention = json!({ "durable": true });
    assert!(ours.put("/v1/events/orders.paid", retention).await.status.is_success());
    let mut stream = ours.events("/v1/events/orders.*/subscribe", None).await;
    theirs.post("/v1/events/orders.paid", json!({ "order": "theirs" })).await;
    let published = ours.post("/v1/events/orders.paid", json!({ "order": 1 })).await;
    assert!(published.status.is_success(), "{}", published.body);
    let event = stream.next_named("message").await;
    assert_eq!(event.data["data"], json!({ "order": 1 }));
    ours.post("/v1/events/orders.paid", json!({ "order": 2 })).await;
    let mut replay = ours.events("/v1/events/orders.paid/subscribe?from=0", None).await;
    for order in [1, 2] {
        assert_eq!(replay.next_named("message").await.data["data"]["order"], order);
    }
    let public = nobody.with_key(&project.public_key);
    public.post("/v1/events/orders.paid", json!({})).await.expect_error(403, "forbidden");
    let rules = json!({ "rules": [{ "path": "chat.>", "read": "true", "write": "true" }] });
    assert!(ours.put("/v1/event-rules", rules).await.status.is_success());
    assert!(public.post("/v1/events/chat.lobby", json!("hi")).await.status.is_success());
    public.post("/v1/events/orders.paid", json!({})).await.expect_error(403, "forbidden");
}

async fn functions(ada: &Client, project: &Project) {
    let key = ada.stranger().with_key(&project.secret_key);
    let mut deployments = key.events("/v1/events/functions.deployments/subscribe", None).await;
    let source = "import { bunbase } from 'bunbase-js/function';
        export default async () => {
          console.log('called');
          await bunbase.kv.set('from-function', 'yes');
          await bunbase.db.collection('calls').create({ _id: crypto.randomUUID() });
          return Response.json({ value: await bunbase.kv.get('from-function') });
        };";
    ada.deploy(project, "hello", "v1", source).await.expect(201);
    // Its worker tells of itself as well.
    let deployed = loop {
        let event = deployments.next_named("message").await.data["data"].clone();
        if event["type"] == "deployed" {
            break event;
        }
    };
    assert_eq!((&deployed["name"], &deployed["version"]), (&json!("hello"), &json!("v1")));
    let mut logs = ada.events(&format!("{}/logs/subscribe", functions_of(project, "hello")), None).await;
    assert_eq!(key.get("/v1/functions/hello").await.expect(200), json!({ "value": "yes" }));
    assert_eq!(logs.next_named("line").await.data["message"], "called");
}

async fn secrets(nobody: &Client, project: &Project, other: &Project) {
    let (ours, theirs) = (nobody.with_key(&project.secret_key), nobody.with_key(&other.secret_key));
    let written = ours.put("/v1/kms/secrets/stripe", json!({ "value": "s3cret" })).await;
    assert!(written.status.is_success(), "{}", written.body);
    assert_eq!(ours.get("/v1/kms/secrets/stripe").await.expect(200)["value"], "s3cret");
    theirs.get("/v1/kms/secrets/stripe").await.expect_error(404, "secret_not_found");
    for client in [&ours, &theirs] {
        let key = json!({ "name": "box", "type": "aes-256-gcm" });
        client.post("/v1/kms/keys", key).await.expect(201);
    }
    let sealed = ours.post("/v1/kms/encrypt/box", json!({ "plaintext": "hello" })).await.expect(200);
    let sealed = json!({ "ciphertext": sealed["ciphertext"] });
    let opened = ours.post("/v1/kms/decrypt/box", sealed.clone()).await.expect(200);
    assert_eq!(opened["plaintext"], "hello");
    theirs.post("/v1/kms/decrypt/box", sealed).await.expect_error(400, "decryption_failed");
    let public = nobody.with_key(&project.public_key);
    public.get("/v1/kms/secrets/stripe").await.expect_error(403, "forbidden");
}

async fn values_and_objects(nobody: &Client, project: &Project, other: &Project) {
    let (ours, theirs) = (nobody.with_key(&project.secret_key), nobody.with_key(&other.secret_key));
    let put = |client: &Client, path: &str, body: &'static str| {
        let request = client.request(Method::PUT, path).header("content-type", "text/plain").body(body);
        let client = client.clone();
        async move { client.send(request).await }
    };
    for (client, value) in [(&ours, "ours"), (&theirs, "theirs")] {
        assert!(put(client, "/v1/kv/kv/a/b", value).await.status.is_success());
        assert!(put(client, "/v1/storage/a/b.txt", value).await.status.is_success());
    }
    assert_eq!(ours.get("/v1/kv/kv/a/b").await.expect(200), json!("ours"));
    assert_eq!(theirs.get("/v1/storage/a/b.txt").await.expect(200), json!("theirs"));
    assert_eq!(ours.post("/v1/kv/incr/n", json!({ "by": 5 })).await.expect(200)["value"], 5);
    let signed =
        ours.post("/v1/signed-urls", json!({ "path": "a/b.txt", "method": "GET", "expires_in": 60 })).await;
    let url = text(&signed.expect(201)["url"]).to_owned();
    let path = &url[url.find("/v1/").unwrap()..];
    assert_eq!(nobody.get(path).await.expect(200), json!("ours"));
    assert!(nobody.get(&path.replace("b.txt", "c.txt")).await.status.is_client_error());
    let public = nobody.with_key(&project.public_key);
    public.get("/v1/kv/kv/a/b").await.expect_error(403, "forbidden");
    public.get("/v1/storage/a/b.txt").await.expect_error(403, "forbidden");
}

async fn audit(ada: &Client, project: &Project) {
    let page = ada.get(&format!("/v1/projects/{}/audit?limit=200", project.id)).await.expect(200);
    let entries = page["entries"].as_array().unwrap();
    let actions: Vec<&str> = entries.iter().map(|entry| text(&entry["action"])).collect();
    for action in [
        "POST /v1/projects/{project}/members",
        "POST /v1/projects/{project}/keys/{key}/rotate",
        "POST /v1/projects/{project}/functions",
        "PUT /v1/event-rules",
        "PUT /v1/kms/secrets/{*name}",
    ] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    let shown = page.to_string();
    for secret in ["s3cret", "sk_", "token=", PASSWORD] {
        assert!(!shown.contains(secret), "{secret} stands in the audit log");
    }
}
