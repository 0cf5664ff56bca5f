//! Two projects that use the same names for everything, on one server: neither finds, changes, hears or counts
//! what is the other's.

use crate::client::{Client, PASSWORD, Project};
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::{Value, json};

const NOTES: &str = "/v1/database/collections/notes/documents";
const TOPIC: &str = "/v1/events/orders";

/// One of the two.
struct Side {
    name: &'static str,
    secret: Client,
    app: Client,
    /// The id of its end user.
    user: String,
    /// What it encrypted.
    ciphertext: Value,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

async fn put_text(client: &Client, path: &str, body: &'static str) {
    let request = client.request(Method::PUT, path).header("content-type", "text/plain").body(body);
    let answer = client.send(request).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.body);
}

/// Makes one of everything, under the same names as the other side.
async fn fill(server: &Server, ada: &Client, project: &Project, name: &'static str) -> Side {
    let secret = server.client().with_key(&project.secret_key);
    let app = server.client().with_key(&project.public_key);
    secret.post(NOTES, json!({ "_id": "one", "from": name })).await.expect(201);
    put_text(&secret, "/v1/kv/kv/settings", name).await;
    put_text(&secret, "/v1/storage/logo.txt", name).await;
    secret.put("/v1/kms/secrets/stripe", json!({ "value": name })).await.expect(200);
    secret.post("/v1/kms/keys", json!({ "name": "box", "type": "aes-256-gcm" })).await.expect(201);
    let sealed = secret.post("/v1/kms/encrypt/box", json!({ "plaintext": name })).await.expect(200);
    secret.put(TOPIC, json!({ "durable": true })).await.expect(200);
    secret.post(TOPIC, json!({ "from": name })).await.expect(201);
    let credentials = json!({ "email": "zoe@example.com", "password": PASSWORD, "name": name });
    let made = app.post("/v1/auth/project/register", credentials).await.expect(201);
    let source = format!("export default () => Response.json('{name}')");
    ada.deploy(project, "hello", "v1", &source).await.expect(201);
    let (user, ciphertext) = (text(&made["user"]["id"]).to_owned(), sealed["ciphertext"].clone());
    Side { name, secret, app, user, ciphertext }
}

/// Each thing is the side's own, and there is one of it.
async fn sees_its_own(side: &Side) {
    let Side { name, secret, app, user, .. } = side;
    let notes = secret.get(NOTES).await.expect(200);
    assert_eq!(notes["documents"], json!([{ "_id": "one", "from": name }]));
    assert_eq!(secret.get("/v1/kv/kv/settings").await.expect(200), *name);
    assert_eq!(secret.get("/v1/kv/keys").await.expect(200)["keys"].as_array().unwrap().len(), 1);
    assert_eq!(secret.get("/v1/storage/logo.txt").await.expect(200), *name);
    assert_eq!(secret.get("/v1/storage").await.expect(200)["objects"].as_array().unwrap().len(), 1);
    assert_eq!(secret.get("/v1/kms/secrets/stripe").await.expect(200)["value"], *name);
    assert_eq!(secret.get("/v1/functions/hello").await.expect(200), *name);
    let mut orders = secret.events(&format!("{TOPIC}/subscribe?from=0"), None).await;
    let order = orders.next_named("message").await;
    assert_eq!((&order.data["data"], &order.data["offset"]), (&json!({ "from": name }), &json!(0)));
    let users = secret.get("/v1/auth/users").await.expect(200);
    assert_eq!(users["users"].as_array().unwrap().len(), 1, "{users}");
    let credentials = json!({ "email": "zoe@example.com", "password": PASSWORD });
    let signed_in = app.post("/v1/auth/project/login", credentials).await.expect(200);
    assert_eq!((&signed_in["user"]["id"], &signed_in["user"]["name"]), (&json!(user), &json!(name)));
}

/// What the other side made opens nothing here.
async fn is_closed_to(side: &Side, other: &Side) {
    let foreign = json!({ "ciphertext": other.ciphertext });
    side.secret.post("/v1/kms/decrypt/box", foreign).await.expect_error(400, "decryption_failed");
    let user = format!("/v1/auth/users/{}", other.user);
    side.secret.get(&user).await.expect_error(404, "user_not_found");
    let credentials = json!({ "email": "zoe@example.com", "password": PASSWORD });
    let signed_in = other.app.post("/v1/auth/project/login", credentials).await.expect(200);
    let swapped = side.app.with_bearer(text(&signed_in["access_token"]));
    swapped.get("/v1/auth/session").await.expect_error(401, "token_invalid");
    let refresh = json!({ "refresh_token": signed_in["refresh_token"] });
    side.app.post("/v1/auth/project/refresh", refresh.clone()).await.expect_error(401, "token_invalid");
    other.app.post("/v1/auth/project/refresh", refresh).await.expect(200);
}

#[tokio::test]
async fn two_projects_with_the_same_names_never_meet() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let (one, two) = (ada.project("shop").await, ada.project("shop").await);
    let one = fill(&server, &ada, &one, "one").await;
    let two = fill(&server, &ada, &two, "two").await;
    for side in [&one, &two] {
        sees_its_own(side).await;
    }
    is_closed_to(&one, &two).await;
    is_closed_to(&two, &one).await;

    // What one removes is there for the other.
    for path in ["/v1/kv/kv/settings", "/v1/storage/logo.txt", "/v1/kms/secrets/stripe", TOPIC] {
        assert!(one.secret.delete(path).await.status.is_success(), "{path}");
    }
    assert!(one.secret.delete(&format!("{NOTES}/one")).await.status.is_success());
    assert!(one.secret.delete(&format!("/v1/auth/users/{}", one.user)).await.status.is_success());
    sees_its_own(&two).await;
    server.stop().await;
}
