//! The authorisation table: nobody, a foreign project, too low a role, the wrong key, the right ones.

use crate::support::World;
use http::Method;
use ports::access::Action;
use routes::Need;
use service_kit::ids::ProjectId;

struct Case {
    method: Method,
    path: &'static str,
    body: &'static str,
    /// The lowest role, and whether a public key may ask (rules decide then).
    role: &'static str,
    public: bool,
}

fn cases() -> Vec<Case> {
    let case = |method, path, body, role, public| Case { method, path, body, role, public };
    let rules = r#"{"rules": [{"path": "a", "write": true}]}"#;
    vec![
        case(Method::GET, "/event-rules", "", "member", false),
        case(Method::PUT, "/event-rules", rules, "member", false),
        case(Method::PUT, "/events/a", r#"{"durable": false}"#, "member", false),
        case(Method::GET, "/events", "", "member", false),
        case(Method::POST, "/events/a", "x", "member", true),
        case(Method::DELETE, "/events/a", "", "member", false),
    ]
}

#[tokio::test]
async fn each_route_answers_each_caller_as_its_declaration_says() {
    let world = World::start().await;
    let (project, foreign) = (ProjectId::generate(), ProjectId::generate());
    for Case { method, path, body, role, public } in cases() {
        let in_project = format!("/v1/projects/{project}{path}");
        let with_key = format!("/v1{path}");
        let session = |role: &str, project: &ProjectId| format!("session_token={role}.{project}");
        let status = async |path: &str, headers: &[(&str, &str)]| {
            world.call(method.clone(), path, headers, body).await.status.as_u16()
        };
        assert_eq!(status(&in_project, &[]).await, 401, "{method} {path}");
        assert_eq!(status(&with_key, &[]).await, 401, "{method} {path}");
        let of_other = session("owner", &foreign);
        assert_eq!(status(&in_project, &[("cookie", &of_other)]).await, 404, "{method} {path}");
        let viewer = session("viewer", &project);
        assert_eq!(status(&in_project, &[("cookie", &viewer)]).await, 403, "{method} {path}");
        let public_key = format!("pk_{project}");
        let expected = if public { 202 } else { 403 };
        assert_eq!(
            status(&with_key, &[("x-bunbase-client-key", &public_key)]).await,
            expected,
            "{method} {path}"
        );
        if method != Method::DELETE {
            let secret_key = format!("sk_{project}");
            let answered = status(&with_key, &[("x-bunbase-client-key", &secret_key)]).await;
            assert!((200..300).contains(&answered), "{method} {path}: {answered}");
        }
        let member = session(role, &project);
        let answered = status(&in_project, &[("cookie", &member)]).await;
        assert!((200..300).contains(&answered), "{method} {path}: {answered}");
    }
}

#[tokio::test]
async fn only_operators_see_the_whole_broker() {
    let world = World::start().await;
    let path = "/v1/buncast/topics";
    assert_eq!(world.call(Method::GET, path, &[], "").await.status, 401);
    assert_eq!(world.call(Method::GET, path, &[("authorization", "Bearer other")], "").await.status, 403);
    let answer = world.call(Method::GET, path, &[("authorization", "Bearer operator")], "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body["realms"].is_array() && answer.body["topics"].is_array());
}

#[tokio::test]
async fn every_route_is_declared_for_keys_and_for_members() {
    let world = World::start().await;
    let rows = world.service.routes(world.access.clone()).rows;
    let needs = |need: Need| rows.iter().filter(|row| row.need == need).count();
    for (action, count) in [(Action::EventAdmin, 5), (Action::EventPublish, 1), (Action::EventSubscribe, 1)] {
        assert_eq!((needs(Need::Key(action)), needs(Need::Project(action))), (count, count), "{action:?}");
    }
    assert_eq!((needs(Need::Operator), rows.len()), (1, 15));
}
