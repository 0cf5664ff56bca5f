//! The authorisation table: every route of the served OpenAPI document, asked by nobody, by another
//! project, by each role and by both kinds of keys. A route without a row here fails.

use crate::client::{Client, Project};
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// For each action: who may do it. Written down apart from the code that decides.
/// Columns: viewer, member, admin, owner, public key, secret key.
pub(crate) const TABLE: &[(&str, [bool; 6])] = &[
    ("project_read", [true, true, true, true, false, true]),
    ("project_update", [false, false, true, true, false, false]),
    ("project_leave", [true, true, true, true, false, false]),
    ("project_delete", [false, false, false, true, false, false]),
    ("member_read", [true, true, true, true, false, false]),
    ("member_write", [false, false, true, true, false, false]),
    ("audit_read", [false, false, true, true, false, false]),
    ("key_read", [false, false, true, true, false, false]),
    ("key_write", [false, false, true, true, false, false]),
    ("function_read", [true, true, true, true, false, true]),
    ("function_deploy", [false, true, true, true, false, true]),
    ("function_delete", [false, false, true, true, false, true]),
    ("function_logs", [true, true, true, true, false, true]),
    ("function_invoke", [false, true, true, true, true, true]),
    ("document_read", [true, true, true, true, true, true]),
    ("document_write", [false, true, true, true, true, true]),
    ("database_read", [true, true, true, true, false, true]),
    ("database_admin", [false, true, true, true, false, true]),
    ("kv_read", [true, true, true, true, true, true]),
    ("kv_write", [false, true, true, true, true, true]),
    ("kv_admin", [false, true, true, true, false, true]),
    ("object_read", [true, true, true, true, true, true]),
    ("object_write", [false, true, true, true, true, true]),
    ("object_admin", [false, true, true, true, false, true]),
    ("event_publish", [false, true, true, true, true, true]),
    ("event_subscribe", [true, true, true, true, true, true]),
    ("event_admin", [false, true, true, true, false, true]),
    ("job_read", [true, true, true, true, false, true]),
    ("job_enqueue", [false, true, true, true, false, true]),
    ("job_admin", [false, true, true, true, false, true]),
    ("end_user_sign_in", [false, true, true, true, true, true]),
    ("end_user_read", [false, true, true, true, false, true]),
    ("end_user_write", [false, false, true, true, false, true]),
    ("end_user_admin", [false, false, true, true, false, false]),
    ("secret_read", [false, false, true, true, false, true]),
    ("secret_reveal", [false, false, true, true, false, true]),
    ("secret_write", [false, false, true, true, false, true]),
    ("secret_use", [false, false, true, true, false, true]),
];

struct Row {
    method: Method,
    path: String,
    access: Value,
    has_body: bool,
}

/// Asks that would end the test where they are admitted: one's own sessions, one's place in the project,
/// the project itself.
fn is_destructive(row: &Row) -> bool {
    let ends_sessions = row.method == Method::DELETE && row.path.starts_with("/v1/auth/sessions");
    let ends = ["/v1/auth/logout", "/v1/projects/{project}/leave"].contains(&row.path.as_str());
    ends_sessions || ends || row.access == json!({ "project": "project_delete" })
}

/// The people of the test.
struct Cast {
    nobody: Client,
    stranger: Client,
    roles: [Client; 4],
    foreign_secret: Client,
    public: Client,
    secret: Client,
    /// The owner's, for everything, and for an area that does not exist in the project.
    token: Client,
    narrow_token: Client,
    project: Project,
}

async fn rows(client: &Client) -> Vec<Row> {
    let document = client.get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut rows = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let access = operation["x-bunbase-access"].clone();
            assert!(!access.is_null(), "{method} {path} does not say whom it is for");
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let has_body = operation.get("requestBody").is_some();
            rows.push(Row { method, path: path.clone(), access, has_body });
        }
    }
    assert!(rows.len() > 40, "{} routes", rows.len());
    rows
}

pub(crate) async fn add_member(data: &Data, project: &Project, user: &str, role: &str) {
    let path = data.path().join("control.db");
    let database = sql::Database::open(&path, sql::Durability::Full).await.unwrap();
    let mut write = database.write().await.unwrap();
    sqlx::query("INSERT INTO project_members (project, account, role, created_at) VALUES ($1, $2, $3, 0)")
        .bind(&project.id)
        .bind(user)
        .bind(role)
        .execute(&mut *write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    database.close().await;
}

/// An API token of a developer.
pub(crate) async fn token(owner: &Client, scope: &str) -> String {
    let body = json!({ "name": scope, "scopes": [scope] });
    let made = owner.post("/v1/auth/tokens", body).await.expect(201);
    made["token"].as_str().unwrap().to_owned()
}

async fn cast(server: &Server, data: &Data) -> Cast {
    let nobody = server.client();
    let owner = nobody.set_up().await;
    let project = owner.project("ours").await;
    let mut roles = Vec::new();
    for role in ["viewer", "member", "admin"] {
        let person = nobody.sign_in("/v1/auth/register", &format!("{role}@example.com")).await;
        let id = person.get("/v1/auth/me").await.expect(200)["user"]["id"].as_str().unwrap().to_owned();
        add_member(data, &project, &id, role).await;
        roles.push(person);
    }
    let [viewer, member, admin] = <[Client; 3]>::try_from(roles).ok().unwrap();
    let stranger = nobody.sign_in("/v1/auth/register", "stranger@example.com").await;
    let foreign = stranger.project("theirs").await;
    Cast {
        token: nobody.with_bearer(&token(&owner, "*").await),
        narrow_token: nobody.with_bearer(&token(&owner, "account:read").await),
        foreign_secret: nobody.with_key(&foreign.secret_key),
        public: nobody.with_key(&project.public_key),
        secret: nobody.with_key(&project.secret_key),
        roles: [viewer, member, admin, owner],
        nobody,
        stranger,
        project,
    }
}

/// What stands for every name in a path.
const NAME: &str = "some-name";

/// Rules that allow everything, so that what refuses a public key is the table.
async fn open_everything(secret: &Client) {
    let rules = json!({ "read": "true", "write": "true" });
    let made = secret.post("/v1/database/collections", json!({ "name": NAME, "rules": rules })).await;
    assert!(made.status == 201 || made.status == 409, "{}", made.body);
    for (rules, path) in [("kv-rules", "**"), ("storage-rules", "**"), ("event-rules", ">")] {
        let open = json!({ "rules": [{ "path": path, "read": "true", "write": "true" }] });
        let set = secret.put(&format!("/v1/{rules}"), open).await;
        assert!(set.status.is_success(), "{}", set.body);
    }
}

/// The path with real or well-formed parts.
fn concrete(path: &str, project: &Project) -> String {
    let mut filled = path.replace("{project}", &project.id);
    while let (Some(start), Some(end)) = (filled.find('{'), filled.find('}')) {
        filled.replace_range(start..=end, NAME);
    }
    filled
}

async fn ask(client: &Client, row: &Row, path: &str) -> (u16, String) {
    let mut request = client.request(row.method.clone(), path);
    if row.has_body {
        request = request.json(&json!({ "malformed": ["on purpose"] }));
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    // A stream that was opened has no end to wait for.
    if response.headers().get("content-type").is_some_and(|value| value == "text/event-stream") {
        return (status, String::new());
    }
    let body: Value = response.json().await.unwrap_or_default();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Verdict {
    Admitted,
    Unauthenticated,
    Forbidden,
    NoSuchProject,
}

async fn verdict(client: &Client, row: &Row, project: &Project) -> Verdict {
    let (status, code) = ask(client, row, &concrete(&row.path, project)).await;
    assert!(status < 500 || code == "service_not_enabled", "{} {}: {status} {code}", row.method, row.path);
    match (status, code.as_str()) {
        (401, "unauthenticated") => Verdict::Unauthenticated,
        (403, "forbidden") => Verdict::Forbidden,
        (404, "project_not_found") => Verdict::NoSuchProject,
        _ => Verdict::Admitted,
    }
}

#[tokio::test]
async fn every_route_holds_the_table() {
    let data = Data::new();
    let arguments = ["--registration", "open"];
    let server = Server::start_with(&data, &arguments).await;
    let cast = cast(&server, &data).await;
    let table: BTreeMap<_, _> = TABLE.iter().copied().collect();
    let mut wrong = Vec::new();
    for row in rows(&cast.nobody).await {
        let destructive = is_destructive(&row);
        open_everything(&cast.secret).await;
        let expected = expectations(&row, &table, &cast);
        for (who, client, expected) in expected {
            if destructive && expected == Verdict::Admitted {
                continue;
            }
            let found = verdict(client, &row, &cast.project).await;
            if found != expected {
                wrong.push(format!("{} {} by {who}: {found:?}, not {expected:?}", row.method, row.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let deleted = cast.roles[3].delete(&format!("/v1/projects/{}", cast.project.id)).await;
    assert_eq!(deleted.status, 204);
    server.stop().await;
}

fn expectations<'a>(
    row: &Row,
    table: &BTreeMap<&str, [bool; 6]>,
    cast: &'a Cast,
) -> Vec<(&'static str, &'a Client, Verdict)> {
    use Verdict::{Admitted, Forbidden, NoSuchProject, Unauthenticated};
    let Cast { nobody, stranger, roles, foreign_secret, public, secret, .. } = cast;
    let allowed = |action: &Value| {
        *table.get(action.as_str().unwrap()).unwrap_or_else(|| panic!("no row for {action}"))
    };
    let yes_no = |yes: bool| if yes { Admitted } else { Forbidden };
    if let Some(action) = row.access.get("project") {
        let [viewer, member, admin, owner, pk, sk] = allowed(action);
        return vec![
            ("nobody", nobody, Unauthenticated),
            ("a stranger", stranger, NoSuchProject),
            ("another project's key", foreign_secret, NoSuchProject),
            ("viewer", &roles[0], yes_no(viewer)),
            ("member", &roles[1], yes_no(member)),
            ("admin", &roles[2], yes_no(admin)),
            ("owner", &roles[3], yes_no(owner)),
            ("the owner's token", &cast.token, yes_no(owner)),
            ("a token for other things", &cast.narrow_token, Forbidden),
            ("public key", public, yes_no(pk)),
            ("secret key", secret, yes_no(sk)),
        ];
    }
    if let Some(action) = row.access.get("key") {
        let [.., pk, sk] = allowed(action);
        // Asks who the end user is; nobody is signed in beside these keys.
        let yes_no = |yes| if row.path == "/v1/auth/session" { Unauthenticated } else { yes_no(yes) };
        return vec![
            ("nobody", nobody, Unauthenticated),
            ("a developer without a key", &roles[3], Unauthenticated),
            ("public key", public, yes_no(pk)),
            ("secret key", secret, yes_no(sk)),
        ];
    }
    let developers = |token: Verdict| {
        vec![
            ("nobody", nobody, Unauthenticated),
            ("public key", public, Forbidden),
            ("secret key", secret, Forbidden),
            ("an API token that may do everything", &cast.token, token),
            ("owner", &roles[3], Admitted),
        ]
    };
    if row.access.get("developer").is_some() {
        return developers(Admitted);
    }
    match row.access.as_str().unwrap() {
        "nobody" => vec![],
        "session" => developers(Forbidden),
        // The tests' peer is on loopback, so that nobody in particular is an operator here; the refusal
        // from elsewhere is tested with a forwarded address in `process.rs`.
        "operator" => vec![("nobody", nobody, Admitted)],
        "invocation" => vec![("nobody", nobody, Unauthenticated), ("public key", public, Admitted)],
        other => panic!("an unknown kind of access: {other}"),
    }
}

/// Where the name in the document and that of the service differ.
const SERVICES: &[(&str, &str)] = &[
    ("documents", "bundoc-server"),
    ("end-users", "tenant-auth"),
    ("events", "buncast"),
    ("kms", "bun-kms"),
    ("kv", "bunder-manager"),
    ("mail", "bun-auth"),
];

#[tokio::test]
async fn the_gateways_table_sends_every_route_to_the_service_that_declares_it() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let document = server.client().get("/openapi.json").await.expect(200);
    let mut wrong = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let tag = operation["tags"][0].as_str().unwrap();
            let service = SERVICES.iter().find(|(name, _)| *name == tag).map_or(tag, |(_, service)| *service);
            if gateway::service_of(path) != service {
                wrong.push(format!("{path} goes to {}, not to {service}", gateway::service_of(path)));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    server.stop().await;
}
