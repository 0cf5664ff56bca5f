//! The audit log: every change, with who, what and where from, and without secrets.

use crate::support::{ADDRESS, By, DEVELOPERS, Project, Server};
use http::StatusCode;
use serde_json::{Value, json};
use std::net::IpAddr;

const ADA: By<'_> = By::Developer("ada");
const BOB: By<'_> = By::Developer("bob");
const ROOT: By<'_> = By::Developer("root");

fn entries(body: &Value) -> Vec<Value> {
    body["entries"].as_array().unwrap().clone()
}

fn ids(body: &Value) -> Vec<String> {
    entries(body).iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

fn actions(body: &Value) -> Vec<String> {
    entries(body).iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

/// A project with some changes, in order: made, key, invitation.
async fn changed(server: &Server) -> Project {
    let project = server.project("cities").await;
    server.post(ADA, &project.keys(), json!({ "kind": "secret" })).await;
    let invited = json!({ "email": "bob@example.com", "role": "admin" });
    server.post(ADA, &project.members(), invited).await;
    project
}

#[tokio::test]
async fn every_change_is_recorded_and_nothing_else() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let made = server.post(ADA, &project.keys(), json!({ "kind": "secret" })).await.body;
    let key = format!("{}/{}", project.keys(), made["key"]["id"].as_str().unwrap());
    server.post(ADA, &format!("{key}/rotate"), json!({})).await;
    server.delete(ADA, &key).await;
    server.patch(ADA, &project.path, json!({ "name": "Towns" })).await;
    let invited = json!({ "email": "eve@example.com", "role": "viewer" });
    let made = server.post(ADA, &project.members(), invited).await.body;
    let invitation = made["invitation"]["id"].as_str().unwrap();
    server.delete(ADA, &format!("{}/invitations/{invitation}", project.path)).await;
    let invited = json!({ "email": "bob@example.com", "role": "viewer" });
    let made = server.post(ADA, &project.members(), invited).await.body;
    let token = made["link"].as_str().unwrap().rsplit_once('=').unwrap().1;
    server.post(BOB, "/v1/invitations/accept", json!({ "token": token })).await;
    server.patch(ADA, &project.member("bob"), json!({ "role": "member" })).await;
    server.send(BOB, "POST", &format!("{}/leave", project.path), None).await;
    server.join(&project, "bob", "viewer").await;
    server.delete(ADA, &project.member("bob")).await;

    server.patch(ADA, &project.path, json!({ "name": "" })).await;
    server.patch(BOB, &project.path, json!({ "name": "x" })).await;
    server.post(By::Nobody, "/v1/invitations/accept", json!({ "token": "x" })).await;
    server.get(ADA, &project.keys()).await;
    let mut seen = actions(&server.get(ADA, &project.audit()).await.body);
    seen.reverse();
    let wanted = [
        "POST /v1/projects",
        "POST /v1/projects/{project}/keys",
        "POST /v1/projects/{project}/keys/{key}/rotate",
        "DELETE /v1/projects/{project}/keys/{key}",
        "PATCH /v1/projects/{project}",
        "POST /v1/projects/{project}/members",
        "DELETE /v1/projects/{project}/invitations/{invitation}",
        "POST /v1/projects/{project}/members",
        "POST /v1/invitations/accept",
        "PATCH /v1/projects/{project}/members/{user}",
        "POST /v1/projects/{project}/leave",
        "DELETE /v1/projects/{project}/members/{user}",
    ];
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_what_and_from_where() {
    let server = Server::start().await;
    let project = changed(&server).await;
    let token = server.identity.token("ada", &["projects:write"]);
    server.patch(By::Token(&token), &project.path, json!({ "name": "Towns" })).await;
    let seen = entries(&server.get(ADA, &project.audit()).await.body);
    let (renamed, invited, key, made) = (&seen[0], &seen[1], &seen[2], &seen[3]);
    assert!(renamed["actor"]["token"].as_str().unwrap().starts_with("tok_"));
    assert_eq!(renamed["actor"]["role"], "owner");
    assert_eq!(invited["actor"]["token"], Value::Null);
    assert_eq!(invited["target"]["email"], "bob@example.com");
    assert_eq!(invited["target"]["role"], "admin");
    assert!(key["target"]["key"].as_str().unwrap().starts_with("key_"));
    assert_eq!(made["target"], json!({ "project": project.id() }));
    for entry in &seen {
        assert_eq!(entry["actor"]["kind"], "developer");
        assert_eq!(entry["actor"]["id"], DEVELOPERS["ada"].as_str());
        assert_eq!(entry["actor"]["email"], "ada@example.com");
        assert_eq!(entry["project"], project.id());
        assert_eq!(entry["address"], IpAddr::from(ADDRESS).to_string());
        assert_eq!((&entry["user_agent"], &entry["request_id"]), (&json!("tests/1"), &json!("req_test")));
        assert!(
            entry["at"].as_str().unwrap().ends_with('Z') && !entry["summary"].as_str().unwrap().is_empty()
        );
    }
    assert_eq!((&made["status"], &renamed["status"]), (&json!(201), &json!(200)));
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = server.identity.token("ada", &["*"]);
    let key = server.post(By::Token(&token), &project.keys(), json!({ "kind": "secret" })).await.body;
    let invited = json!({ "email": "zoe@example.com", "role": "viewer" });
    let made = server.post(ADA, &project.members(), invited).await.body;
    let link = made["link"].as_str().unwrap().rsplit_once('=').unwrap().1;
    let newcomer = json!({ "token": link, "password": "correct horse", "name": "Zoe" });
    assert_eq!(server.post(By::Nobody, "/v1/invitations/accept", newcomer).await.status, StatusCode::OK);
    let log = server.get(ADA, &project.audit()).await.body.to_string();
    assert!(log.contains("zoe@example.com"));
    for secret in [key["secret"].as_str().unwrap(), &project.secret_key, link, &token, "correct horse"] {
        assert!(!log.contains(secret) && !server.holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_log_is_filtered() {
    let server = Server::start().await;
    let project = changed(&server).await;
    server.join(&project, "bob", "admin").await;
    server.patch(BOB, &project.path, json!({ "name": "Towns" })).await;
    server.execute("UPDATE audit_entries SET at = number * 1000", &[]).await;
    let all = ids(&server.get(ADA, &project.audit()).await.body);
    assert_eq!(all.len(), 4);
    let bob = DEVELOPERS["bob"].as_str();
    for (query, wanted) in [
        (format!("actor={bob}"), &all[..1]),
        ("actor=bob@example.com".to_owned(), &all[..1]),
        ("actor=nobody@example.com".to_owned(), &[]),
        ("action=keys".to_owned(), &all[2..3]),
        ("action=POST%20/v1/projects/%7Bproject%7D/".to_owned(), &all[1..3]),
        ("since=3000".to_owned(), &all[..2]),
        ("since=1970-01-01T00:00:02Z&until=1970-01-01T00:00:04Z".to_owned(), &all[1..3]),
        ("until=1000".to_owned(), &[]),
        ("action=keys&actor=bob@example.com".to_owned(), &[]),
        ("action='%20OR%201=1%20--".to_owned(), &[]),
    ] {
        let answer = server.get(ADA, &format!("{}?{query}", project.audit())).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.body);
        assert_eq!(ids(&answer.body), wanted, "{query}");
    }
    let long = format!("action={}", "x".repeat(201));
    for query in ["since=yesterday", "until=x", "limit=0", "limit=1001", "cursor=x", "limit=x", &long] {
        let answer = server.get(ADA, &format!("{}?{query}", project.audit())).await;
        assert_eq!(answer.code(), "invalid_request", "{query}");
    }
}

#[tokio::test]
async fn the_log_comes_in_parts_that_new_entries_do_not_move() {
    let server = Server::start().await;
    let project = changed(&server).await;
    let all = ids(&server.get(ADA, &project.audit()).await.body);
    let first = server.get(ADA, &format!("{}?limit=2", project.audit())).await.body;
    server.patch(ADA, &project.path, json!({ "name": "Towns" })).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.get(ADA, &format!("{}?limit=2&cursor={cursor}", project.audit())).await.body;
    assert_eq!([ids(&first), ids(&second)].concat(), all);
    assert!(second["next_cursor"].is_null());
}

#[tokio::test]
async fn projects_do_not_see_each_others_log() {
    let server = Server::start().await;
    let (project, other) = (changed(&server).await, server.project("towns").await);
    server.join(&project, "bob", "admin").await;
    let seen = entries(&server.get(BOB, &project.audit()).await.body);
    assert!(seen.len() == 3 && seen.iter().all(|entry| entry["project"] == project.id()));
    let foreign = format!("{}?project={}", project.audit(), other.id());
    assert_eq!(ids(&server.get(BOB, &foreign).await.body).len(), 3);
    assert_eq!(server.get(BOB, &other.audit()).await.code(), "project_not_found");
    assert_eq!(server.get(BOB, &format!("{}/export", other.audit())).await.code(), "project_not_found");
}

#[tokio::test]
async fn the_export_is_the_whole_log_line_by_line() {
    let server = Server::start().await;
    let project = changed(&server).await;
    let sql = "INSERT INTO audit_entries (at, project, actor_kind, action, summary, target, status)
               WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
               SELECT 1, $1, 'operator', 'MANY', 'many', '{}', 200 FROM n";
    server.execute(sql, &[project.id()]).await;
    let text = server.bytes(ADA, &format!("{}/export", project.audit())).await;
    let lines: Vec<Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2503);
    let number = |line: &Value| line["id"].as_str().unwrap().parse::<i64>().unwrap();
    assert!(lines.windows(2).all(|pair| number(&pair[0]) > number(&pair[1])));
    assert_eq!(
        lines[2500..],
        entries(&server.get(ADA, &format!("{}?action=v1", project.audit())).await.body)
    );
    let some = server.bytes(ADA, &format!("{}/export?action=keys", project.audit())).await;
    assert_eq!(some.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[tokio::test]
async fn the_whole_log_is_for_administrators_of_the_server() {
    let server = Server::start().await;
    let (project, other) = (changed(&server).await, server.project("towns").await);
    server.delete(ADA, &project.path).await;
    let all = server.get(ROOT, "/v1/audit").await;
    assert_eq!(all.status, StatusCode::OK, "{}", all.body);
    assert_eq!(entries(&all.body).len(), 5);
    let gone = server.get(ROOT, &format!("/v1/audit?project={}", project.id())).await.body;
    assert_eq!(actions(&gone)[0], "DELETE /v1/projects/{project}");
    assert_eq!(actions(&gone).len(), 4);
    assert_eq!(server.get(ROOT, "/v1/audit?project=x").await.code(), "invalid_request");
    for by in [ADA, By::Key(&other.secret_key)] {
        assert_eq!(server.get(by, "/v1/audit").await.code(), "forbidden");
    }
    assert_eq!(server.get(By::Nobody, "/v1/audit").await.code(), "unauthenticated");
    let reading = server.identity.token("root", &["audit:read"]);
    assert_eq!(server.get(By::Token(&reading), "/v1/audit").await.status, StatusCode::OK);
    let narrow = server.identity.token("root", &["projects:write"]);
    assert_eq!(server.get(By::Token(&narrow), "/v1/audit").await.code(), "forbidden");
}

#[tokio::test]
async fn what_was_kept_long_enough_goes_at_the_next_sweep() {
    let server = Server::start().await;
    let project = changed(&server).await;
    let day = 24 * 60 * 60 * 1000;
    let old = (service_kit::clock::now_ms() - 401 * day).to_string();
    server.execute("UPDATE audit_entries SET at = CAST($1 AS INTEGER) WHERE number <= 2", &[&old]).await;
    server.execute("UPDATE project_invitations SET expires_at = 1", &[]).await;
    let server = server.restart(platform::PlatformConfig::default(), Vec::new()).await;
    let swept = async {
        while server.count("SELECT count(*) FROM audit_entries").await != 1
            || server.count("SELECT count(*) FROM project_invitations").await != 0
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), swept).await.expect("nothing was swept");
    assert_eq!(ids(&server.get(ADA, &project.audit()).await.body).len(), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_told() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.execute("ALTER TABLE audit_entries RENAME TO lost", &[]).await;
    let renamed = server.patch(ADA, &project.path, json!({ "name": "Towns" })).await;
    assert_eq!((renamed.status, renamed.code()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(server.get(ADA, &project.path).await.body["project"]["name"], "Towns");
}
