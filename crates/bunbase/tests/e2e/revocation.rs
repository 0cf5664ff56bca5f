//! What is revoked ends the streams that it had opened, within 5 seconds, whichever service serves them.

use crate::client::{Client, PASSWORD, Project};
use crate::live::Events;
use crate::server::{Data, Server};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const REVOKED_WITHIN: Duration = Duration::from_secs(5);

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// An open stream, and what has to end it.
struct Open {
    by: &'static str,
    events: Events,
}

/// A secret key beside the project's first one.
async fn another_key(ada: &Client, project: &Project) -> (String, Client) {
    let body = json!({ "kind": "secret", "name": "another" });
    let made = ada.post(&format!("/v1/projects/{}/keys", project.id), body).await.expect(201);
    (text(&made["key"]["id"]).to_owned(), ada.stranger().with_key(text(&made["secret"])))
}

async fn member(ada: &Client, project: &Project) -> (String, Client) {
    let invitation = json!({ "email": "bob@example.com", "role": "member" });
    let members = format!("/v1/projects/{}/members", project.id);
    let invited = ada.post(&members, invitation).await.expect(201);
    let token = text(&invited["link"]).split_once("token=").unwrap().1;
    let accept = json!({ "token": token, "password": PASSWORD, "name": "Bob" });
    let accepted = ada.stranger().post("/v1/invitations/accept", accept).await;
    let bob = ada.with_cookie(accepted.headers["set-cookie"].to_str().unwrap());
    (text(&bob.get("/v1/auth/me").await.expect(200)["user"]["id"]).to_owned(), bob)
}

async fn end_user(app: &Client, email: &str) -> (String, Client) {
    let credentials = json!({ "email": email, "password": PASSWORD });
    let made = app.post("/v1/auth/project/register", credentials).await.expect(201);
    (text(&made["user"]["id"]).to_owned(), app.with_bearer(text(&made["access_token"])))
}

#[tokio::test]
async fn what_is_revoked_ends_its_open_streams_within_five_seconds() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("shop").await;
    let of_project = |rest: &str| format!("/v1/projects/{}/{rest}", project.id);
    let secret = server.client().with_key(&project.secret_key);
    let app = server.client().with_key(&project.public_key);
    let rules = json!({ "read": "request.auth != null" });
    secret.post("/v1/database/collections", json!({ "name": "notes", "rules": rules })).await.expect(201);
    let rules = json!({ "rules": [{ "path": "chat.>", "read": "true" }] });
    secret.put("/v1/event-rules", rules).await.expect(200);
    ada.deploy(&project, "hello", "v1", "export default () => new Response('hi')").await.expect(201);

    let (key_id, key) = another_key(&ada, &project).await;
    let (bob_id, bob) = member(&ada, &project).await;
    let (zoe_id, zoe) = end_user(&app, "zoe@example.com").await;
    let (_, max) = end_user(&app, "max@example.com").await;
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    let login = server.client().post("/v1/auth/login", credentials).await;
    let phone = ada.with_cookie(login.headers["set-cookie"].to_str().unwrap());
    let body = json!({ "name": "ci", "scopes": ["events:read"] });
    let made = ada.post("/v1/auth/tokens", body).await.expect(201);
    let ci = ada.stranger().with_bearer(text(&made["token"]));

    let documents = "/v1/database/collections/notes/subscribe";
    let (chat, logs) = (of_project("events/chat.a/subscribe"), of_project("functions/hello/logs/subscribe"));
    let mut open = Vec::new();
    for (by, client, path) in [
        ("the key, to documents", &key, documents),
        ("the key, to events", &key, "/v1/events/chat.a/subscribe"),
        ("the member, to events", &bob, chat.as_str()),
        ("the member, to function logs", &bob, logs.as_str()),
        ("the user that is disabled", &zoe, documents),
        ("the user that signs out", &max, documents),
        ("the session", &phone, chat.as_str()),
        ("the API token", &ci, chat.as_str()),
        ("the rule", &app, "/v1/events/chat.a/subscribe"),
    ] {
        open.push(Open { by, events: client.events(path, None).await });
    }

    assert_eq!(ada.delete(&of_project(&format!("keys/{key_id}"))).await.status, 204);
    assert_eq!(ada.delete(&of_project(&format!("members/{bob_id}"))).await.status, 204);
    secret.patch(&format!("/v1/auth/users/{zoe_id}"), json!({ "disabled": true })).await.expect(200);
    assert_eq!(max.post("/v1/auth/project/logout", json!({})).await.status, 204);
    assert_eq!(phone.post("/v1/auth/logout", json!({})).await.status, 204);
    let token = format!("/v1/auth/tokens/{}", text(&made["id"]));
    assert_eq!(ada.delete(&token).await.status, 204);
    secret.put("/v1/event-rules", json!({ "rules": [] })).await.expect(200);

    join_all(open.into_iter().map(ends)).await;
    server.stop().await;
}

async fn ends(Open { by, mut events }: Open) {
    let last = tokio::time::timeout(REVOKED_WITHIN, async {
        let mut last = None;
        while let Some(event) = events.next().await {
            last = Some(event);
        }
        last
    });
    let last = last.await.unwrap_or_else(|_| panic!("the stream by {by} goes on"));
    let last = last.unwrap_or_else(|| panic!("the stream by {by} does not say why it ends"));
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("close", &json!("revoked")), "{by}");
}
