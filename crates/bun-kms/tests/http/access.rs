//! Whom the routes are for, each in both forms.

use crate::support::{By, Server};
use ::ports::access::Action;
use routes::Need;
use service_kit::ids::ProjectId;

fn filled(path: &str, project: &ProjectId) -> String {
    path.replace("{project}", project.as_str()).replace("{*name}", "a").replace("{name}", "a")
}

#[tokio::test]
async fn every_route_refuses_nobody_strangers_low_roles_and_public_keys() {
    let server = Server::start().await;
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    assert_eq!(server.rows.len(), 16 * 2 + 1);
    for row in &server.rows {
        let method = row.method.as_ref().unwrap().as_str();
        let path = filled(row.path, &project);
        let nobody = server.send(By::Nobody, method, &path, None).await;
        assert_eq!(nobody.refusal(), (401, "unauthenticated"), "{method} {path}");
        let public = server.send(By::Public(&project), method, &path, None).await;
        assert_eq!(public.refusal(), (403, "forbidden"), "{method} {path}");
        if matches!(row.need, Need::Project(_)) {
            for stranger in [By::Secret(&other), By::Member("owner", &other)] {
                let foreign = server.send(stranger, method, &path, None).await;
                assert_eq!(foreign.refusal(), (404, "project_not_found"), "{method} {path}");
            }
            let member = server.send(By::Member("member", &project), method, &path, None).await;
            assert_eq!(member.refusal(), (403, "forbidden"), "{method} {path}");
            let admin = server.send(By::Member("admin", &project), method, &path, None).await;
            assert!(![401, 403].contains(&admin.status.as_u16()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_audit_list_is_for_members_only() {
    let server = Server::start().await;
    let row = server.rows.iter().find(|row| row.path.ends_with("/audit")).unwrap();
    assert_eq!(row.need, Need::Project(Action::AuditRead));
    let project = ProjectId::generate();
    let by_key = server.send(By::Secret(&project), "GET", &filled(row.path, &project), None).await;
    assert_eq!(by_key.refusal(), (403, "forbidden"));
}
