//! Members: listing, changing, removing, leaving, and that a project always has an owner.

use crate::support::{By, DEVELOPERS, Project, Server};
use http::StatusCode;
use serde_json::{Value, json};

const ADA: By<'_> = By::Developer("ada");
const BOB: By<'_> = By::Developer("bob");
const EVE: By<'_> = By::Developer("eve");

fn role(role: &str) -> Value {
    json!({ "role": role })
}

async fn owners(server: &Server) -> i64 {
    server.count("SELECT count(*) FROM project_members WHERE role = 'owner'").await
}

/// What `answers` of two changes at once have to be: one done, one refused for the sake of the last owner.
fn one_is_refused(statuses: &[(StatusCode, String); 2]) {
    let done = statuses.iter().filter(|(status, _)| status.is_success()).count();
    let refused = statuses.iter().filter(|(_, code)| code == "last_owner").count();
    assert_eq!((done, refused), (1, 1), "{statuses:?}");
}

#[tokio::test]
async fn members_are_shown_with_their_accounts_and_roles() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.join(&project, "bob", "viewer").await;
    let sql = "INSERT INTO project_members (project, account, role, created_at) VALUES ($1, 'usr_gone', 'member', 1)";
    server.execute(sql, &[project.id()]).await;
    let answer = server.get(BOB, &project.members()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let members = answer.body["members"].as_array().unwrap();
    assert_eq!(members[0]["user_id"], DEVELOPERS["bob"].as_str());
    assert_eq!((&members[0]["email"], &members[0]["role"]), (&json!("bob@example.com"), &json!("viewer")));
    assert_eq!((&members[1]["email"], &members[1]["name"]), (&Value::Null, &Value::Null));
    assert_eq!((&members[2]["name"], &members[2]["role"]), (&json!("ada"), &json!("owner")));
    assert!(members[2]["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(answer.body["invitations"], json!([]));
    let listed = server.get(BOB, "/v1/projects").await.body;
    assert_eq!(listed["projects"][0]["role"], "viewer");
}

#[tokio::test]
async fn a_role_changes_at_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.join(&project, "bob", "viewer").await;
    let token = server.identity.token("bob", &["*"]);
    for by in [BOB, By::Token(&token)] {
        assert_eq!(server.get(by, &project.keys()).await.code(), "forbidden");
    }
    let changed = server.patch(ADA, &project.member("bob"), role("admin")).await;
    assert_eq!((changed.status, &changed.body["member"]["role"]), (StatusCode::OK, &json!("admin")));
    assert_eq!(changed.body["member"]["email"], "bob@example.com");
    for by in [BOB, By::Token(&token)] {
        assert_eq!(server.get(by, &project.keys()).await.status, StatusCode::OK);
    }
    server.patch(ADA, &project.member("bob"), role("member")).await;
    for by in [BOB, By::Token(&token)] {
        assert_eq!(server.get(by, &project.keys()).await.code(), "forbidden");
        assert_eq!(server.get(by, &project.path).await.body["project"]["role"], "member");
    }
}

#[tokio::test]
async fn a_removed_member_is_out_at_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.join(&project, "bob", "admin").await;
    let token = server.identity.token("bob", &["*"]);
    for by in [BOB, By::Token(&token)] {
        assert_eq!(server.get(by, &project.keys()).await.status, StatusCode::OK);
    }
    assert_eq!(server.delete(ADA, &project.member("bob")).await.status, StatusCode::NO_CONTENT);
    for by in [BOB, By::Token(&token)] {
        assert_eq!(server.get(by, &project.keys()).await.code(), "project_not_found");
        assert_eq!(server.get(by, "/v1/projects").await.body["projects"], json!([]));
    }
    assert_eq!(server.delete(ADA, &project.member("bob")).await.code(), "member_not_found");
}

#[tokio::test]
async fn whoever_leaves_is_out_at_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.join(&project, "bob", "viewer").await;
    let leave = format!("{}/leave", project.path);
    let reading = server.identity.token("bob", &["*:read"]);
    assert_eq!(server.send(By::Token(&reading), "POST", &leave, None).await.code(), "forbidden");
    assert_eq!(server.send(BOB, "POST", &leave, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(BOB, &project.path).await.code(), "project_not_found");
}

#[tokio::test]
async fn owners_are_the_affair_of_owners() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.join(&project, "bob", "admin").await;
    server.join(&project, "eve", "viewer").await;
    for (path, body) in [
        (project.member("ada"), role("admin")),
        (project.member("eve"), role("owner")),
        (project.member("bob"), role("owner")),
    ] {
        assert_eq!(server.patch(BOB, &path, body).await.code(), "forbidden", "{path}");
    }
    assert_eq!(server.delete(BOB, &project.member("ada")).await.code(), "forbidden");
    let invited = json!({ "email": "new@example.com", "role": "owner" });
    assert_eq!(server.post(BOB, &project.members(), invited).await.code(), "forbidden");
    assert_eq!(server.patch(BOB, &project.member("eve"), role("admin")).await.status, StatusCode::OK);
    assert_eq!(server.delete(EVE, &project.member("bob")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.patch(ADA, &project.member("eve"), role("owner")).await.status, StatusCode::OK);
    assert_eq!(server.patch(EVE, &project.member("ada"), role("member")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_last_owner_stays_one() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.join(&project, "bob", "admin").await;
    let leave = format!("{}/leave", project.path);
    for answer in [
        server.send(ADA, "POST", &leave, None).await,
        server.delete(ADA, &project.member("ada")).await,
        server.patch(ADA, &project.member("ada"), role("admin")).await,
    ] {
        assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "last_owner"));
    }
    assert_eq!(server.patch(ADA, &project.member("ada"), role("owner")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_owners_who_go_at_once_leave_one() {
    let server = Server::start().await;
    for _ in 0..20 {
        let project = server.project("cities").await;
        server.join(&project, "bob", "owner").await;
        let before = owners(&server).await;
        let leave = format!("{}/leave", project.path);
        let (ada, bob) =
            tokio::join!(server.send(ADA, "POST", &leave, None), server.send(BOB, "POST", &leave, None));
        one_is_refused(&[ada, bob].map(|answer| (answer.status, answer.code().to_owned())));
        assert_eq!(owners(&server).await, before - 1);
    }
}

#[tokio::test]
async fn two_owners_who_make_themselves_less_at_once_leave_one() {
    let server = Server::start().await;
    for _ in 0..20 {
        let project = server.project("cities").await;
        server.join(&project, "bob", "owner").await;
        let (of_ada, of_bob) = (project.member("ada"), project.member("bob"));
        let (ada, bob) = tokio::join!(
            server.patch(ADA, &of_ada, role("viewer")),
            server.patch(BOB, &of_bob, role("viewer"))
        );
        one_is_refused(&[ada, bob].map(|answer| (answer.status, answer.code().to_owned())));
    }
}

#[tokio::test]
async fn two_owners_who_remove_each_other_at_once_leave_one() {
    let server = Server::start().await;
    for _ in 0..20 {
        let project = server.project("cities").await;
        server.join(&project, "bob", "owner").await;
        let (of_ada, of_bob) = (project.member("ada"), project.member("bob"));
        let (ada, bob) = tokio::join!(server.delete(ADA, &of_bob), server.delete(BOB, &of_ada));
        let done = [&ada, &bob].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(done, 1, "{} {}", ada.body, bob.body);
        let left = server.get(ADA, &project.path).await.status == StatusCode::OK;
        let stays = server.get(BOB, &project.path).await.status == StatusCode::OK;
        assert!(left != stays);
    }
}

#[tokio::test]
async fn members_of_another_project_are_not_found() {
    let server = Server::start().await;
    let (project, other): (Project, Project) = (server.project("a").await, server.project("b").await);
    server.join(&other, "bob", "member").await;
    let missing = server.delete(ADA, &format!("{}/usr_nonsense", project.members())).await;
    assert_eq!((missing.status, missing.code()), (StatusCode::NOT_FOUND, "member_not_found"));
    assert_eq!(server.delete(ADA, &project.member("bob")).await.body, missing.body);
    assert_eq!(server.patch(ADA, &project.member("bob"), role("owner")).await.body, missing.body);
    assert_eq!(server.get(BOB, &other.path).await.status, StatusCode::OK);
    for body in [json!({}), role("root"), json!({ "role": "admin", "x": 1 })] {
        assert_eq!(server.patch(ADA, &other.member("bob"), body).await.code(), "invalid_request");
    }
}
