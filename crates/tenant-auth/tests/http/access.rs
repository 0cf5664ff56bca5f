//! Whom each route is for: nobody, another project, the wrong key, too low a role, the right one.

use crate::support::{Call, Server};
use http::{Method, StatusCode};
use ports::access::{Action, KeyKind, Role};
use routes::{Need, RouteRow};
use service_kit::ids::{EndUserId, ProjectId};

/// Whether the request got past the authorisation: whatever it meets then is no refusal of that.
fn admitted(status: StatusCode) -> bool {
    !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
}

/// A route of the table, and a server to try it on.
struct Trial<'a> {
    server: &'a Server,
    row: &'a RouteRow,
    project: ProjectId,
}

impl Trial<'_> {
    /// Asks with what `prove` adds; on a user of its own, because the route may remove it.
    async fn status(&self, prove: impl FnOnce(Call) -> Call) -> StatusCode {
        let email = format!("{}@example.com", EndUserId::generate());
        let user = self.server.register(&self.project, &email).await.user_id();
        let path = self.row.path.replace("{project}", self.project.as_str()).replace("{user}", &user);
        let call = Call::new(self.row.method.clone().unwrap(), &path);
        self.server.send(prove(call)).await.status
    }

    async fn key_form(&self, action: Action) {
        let (project, path) = (&self.project, self.row.path);
        assert_eq!(self.status(|call| call).await, StatusCode::UNAUTHORIZED, "{path}");
        let public = self.status(|call| call.public(project)).await;
        assert_eq!(public == StatusCode::FORBIDDEN, !KeyKind::Public.allows(action), "{path}: {public}");
        assert_ne!(self.status(|call| call.secret(project)).await, StatusCode::FORBIDDEN, "{path}");
    }

    async fn project_form(&self, action: Action) {
        let (project, foreign, path) = (&self.project, ProjectId::generate(), self.row.path);
        assert_eq!(self.status(|call| call).await, StatusCode::UNAUTHORIZED, "{path}");
        for refused in [
            self.status(|call| call.role("owner", &foreign)).await,
            self.status(|call| call.secret(&foreign)).await,
        ] {
            let hidden = if KeyKind::Secret.allows(action) { StatusCode::NOT_FOUND } else { refused };
            assert!(refused == hidden && !admitted(refused), "{path}: {refused}");
        }
        assert_eq!(self.status(|call| call.public(project)).await, StatusCode::FORBIDDEN, "{path}");
        let secret = self.status(|call| call.secret(project)).await;
        assert_eq!(admitted(secret), KeyKind::Secret.allows(action), "{path}: {secret}");
        for role in [Role::Viewer, Role::Member, Role::Admin, Role::Owner] {
            let status = self.status(|call| call.role(role.as_str(), project)).await;
            assert_eq!(admitted(status), role.allows(action), "{path} for {role:?}: {status}");
        }
    }
}

#[tokio::test]
async fn every_route_holds_its_row_of_the_table() {
    let server = Server::start().await;
    assert_eq!(server.rows.len(), 32);
    for row in &server.rows {
        let trial = Trial { server: &server, row, project: ProjectId::generate() };
        match row.need {
            Need::Key(action) => trial.key_form(action).await,
            Need::Project(action) => trial.project_form(action).await,
            Need::Nobody => assert!(admitted(trial.status(|call| call).await), "{}", row.path),
            other => panic!("{} is for {other:?}", row.path),
        }
    }
}

#[tokio::test]
async fn a_public_key_never_manages_users() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let user = server.register(&project, "ada@example.com").await.user_id();
    for (method, path) in [
        (Method::GET, "/v1/auth/users".to_owned()),
        (Method::DELETE, format!("/v1/auth/users/{user}")),
        (Method::PUT, format!("/v1/auth/users/{user}/claims")),
        (Method::GET, "/v1/auth/config".to_owned()),
    ] {
        let answer = server.send(Call::new(method, &path).public(&project)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(!KeyKind::Secret.allows(Action::EndUserAdmin));
}

#[tokio::test]
async fn another_sites_page_cannot_use_up_a_link() {
    let server = Server::start().await;
    let path = format!("/v1/projects/{}/auth/verify-email", ProjectId::generate());
    let call = Call::post(&path, &serde_json::json!({ "token": "x" })).header("sec-fetch-site", "cross-site");
    assert_eq!(server.send(call).await.code(), "origin_not_allowed");
}
