//! Links by mail: what they lead to, used once, bound to an address.

use crate::support::{Answer, Call, EMAIL, PASSWORD, PUBLIC_URL, Server, link, link_token};
use http::{Method, StatusCode};
use serde_json::json;
use service_kit::ids::ProjectId;

const HOUR_MS: i64 = 60 * 60 * 1000;

async fn forgot(server: &Server, project: &ProjectId, email: &str) -> Answer {
    server.post(project, "/v1/auth/project/password/forgot", &json!({ "email": email })).await
}

async fn reset(server: &Server, project: &ProjectId, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "password": password });
    server.post(project, "/v1/auth/project/password/reset", &body).await
}

async fn verify(server: &Server, project: &ProjectId, token: &str) -> Answer {
    server.post(project, "/v1/auth/project/verify-email", &json!({ "token": token })).await
}

#[tokio::test]
async fn of_50_parallel_uses_of_a_reset_link_one_sets_the_password() {
    let server = Server::start().await;
    let second = server.second().await;
    let project = ProjectId::generate();
    let session = server.register(&project, EMAIL).await;
    forgot(&server, &project, EMAIL).await;
    let token = link_token(&server.mails(EMAIL, 1).await[0]);
    let uses = (0..50).map(|number| {
        let (server, password) =
            (if number % 2 == 0 { &server } else { &second }, format!("horse number {number}"));
        let (project, token) = (&project, &token);
        async move { (reset(server, project, token, &password).await, password) }
    });
    let (mut set, mut refused) = (Vec::new(), 0);
    for (answer, password) in futures_util::future::join_all(uses).await {
        match answer.status {
            StatusCode::NO_CONTENT => set.push(password),
            _ => {
                assert_eq!(answer.code(), "link_invalid", "{}", answer.body);
                refused += 1;
            }
        }
    }
    assert_eq!((set.len(), refused), (1, 49));
    assert_eq!(server.log_in(&project, EMAIL, &set[0]).await.status, StatusCode::OK);
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(server.session(&project, &session.text("access_token")).await.code(), "token_invalid");
    assert_eq!(server.refresh(&project, &session.text("refresh_token")).await.code(), "token_invalid");
    assert_eq!(reset(&server, &project, &token, PASSWORD).await.code(), "link_invalid");
}

#[tokio::test]
async fn of_50_parallel_uses_of_a_verification_link_one_counts() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let session = server.register(&project, EMAIL).await.text("access_token");
    server.post(&project, "/v1/auth/project/verify-email/send", &json!({ "email": EMAIL })).await;
    let token = link_token(&server.mails(EMAIL, 1).await[0]);
    let answers = futures_util::future::join_all((0..50).map(|_| verify(&server, &project, &token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::NO_CONTENT).count(), 1);
    assert_eq!(server.session(&project, &session).await.body["user"]["email_verified"], true);
}

#[tokio::test]
async fn the_page_behind_a_link_needs_no_key() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    forgot(&server, &project, EMAIL).await;
    let token = link_token(&server.mails(EMAIL, 1).await[0]);
    let body = json!({ "token": token, "password": "better horse" });
    let elsewhere = format!("/v1/projects/{}/auth/password/reset", ProjectId::generate());
    assert_eq!(server.send(Call::post(&elsewhere, &body)).await.code(), "link_invalid");
    let path = format!("/v1/projects/{project}/auth/password/reset");
    assert_eq!(server.send(Call::post(&path, &body)).await.status, StatusCode::NO_CONTENT);
    let signed_in = server.log_in(&project, EMAIL, "better horse").await;
    assert_eq!(signed_in.body["user"]["email_verified"], true);
}

#[tokio::test]
async fn links_lead_where_the_project_says_whatever_headers_say() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    let ask = || {
        Call::post("/v1/auth/project/password/forgot", &json!({ "email": EMAIL }))
            .public(&project)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "http")
            .header("forwarded", "host=evil.example")
            .header("origin", "https://evil.example")
            .header("referer", "https://evil.example/")
    };
    assert_eq!(server.send(ask()).await.status, StatusCode::ACCEPTED);
    let site = "https://app.example/welcome";
    server.configure(&project, &json!({ "site_url": site, "redirect_urls": [site] })).await;
    assert_eq!(server.send(ask()).await.status, StatusCode::ACCEPTED);
    let mails = server.mails(EMAIL, 2).await;
    let beginning = |page: &str| format!("{page}#mode=reset_user_password&project={project}&token=etl_");
    assert!(
        link(&mails[1]).starts_with(&beginning(&format!("{PUBLIC_URL}/auth/action"))),
        "{}",
        mails[1].text
    );
    assert!(link(&mails[0]).starts_with(&beginning(site)), "{}", mails[0].text);
    assert!(mails.iter().all(|mail| !mail.text.contains("evil") && !mail.subject.contains("evil")));
}

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_answer_for_the_same_work() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    for path in ["/v1/auth/project/password/forgot", "/v1/auth/project/verify-email/send"] {
        let attempt = async |email: &str| {
            let before = (server.service.hash_operations(), server.around.documents.commits());
            let answer = server.post(&project, path, &json!({ "email": email })).await;
            let after = (server.service.hash_operations(), server.around.documents.commits());
            (answer.status, answer.body, answer.headers, (after.0 - before.0, after.1 - before.1))
        };
        let known = attempt(EMAIL).await;
        assert_eq!((known.0, known.3), (StatusCode::ACCEPTED, (0, 1)));
        assert_eq!(attempt("nobody@example.com").await, known);
        assert_eq!(attempt("nobody@example.com").await, known);
    }
    forgot(&server, &project, EMAIL).await;
    server.mails(EMAIL, 3).await;
    let all = server.mails(EMAIL, 0).await.len();
    assert_eq!(all, 3);
    assert_eq!(server.mails("nobody@example.com", 0).await.len(), 0);
}

#[tokio::test]
async fn links_end_in_time_and_asking_again_breaks_none() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    forgot(&server, &project, EMAIL).await;
    server.pass(HOUR_MS / 2 - 1);
    forgot(&server, &project, EMAIL).await;
    let mails = server.mails(EMAIL, 2).await;
    let (first, again) = (link_token(&mails[1]), link_token(&mails[0]));
    assert_eq!(first, again);
    server.pass(1);
    forgot(&server, &project, EMAIL).await;
    let newer = link_token(&server.mails(EMAIL, 3).await[0]);
    assert_ne!(newer, first);
    assert_eq!(reset(&server, &project, &first, "better horse").await.code(), "link_invalid");
    server.pass(HOUR_MS);
    assert_eq!(reset(&server, &project, &newer, "better horse").await.code(), "link_invalid");
    server.post(&project, "/v1/auth/project/verify-email/send", &json!({ "email": EMAIL })).await;
    let token = link_token(&server.mails(EMAIL, 4).await[0]);
    server.pass(24 * HOUR_MS);
    assert_eq!(verify(&server, &project, &token).await.code(), "link_invalid");
}

#[tokio::test]
async fn a_link_is_for_one_purpose_one_user_and_one_address() {
    let server = Server::start().await;
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let user = server.register(&project, EMAIL).await.user_id();
    let eve = server.register(&project, "eve@example.com").await.user_id();
    server.register(&other, EMAIL).await;
    forgot(&server, &project, EMAIL).await;
    forgot(&server, &project, "eve@example.com").await;
    let token = link_token(&server.mails(EMAIL, 1).await[0]);
    let swapped = token.replace(user.trim_start_matches("eus_"), eve.trim_start_matches("eus_"));
    assert_ne!(swapped, token);
    assert_eq!(reset(&server, &project, &swapped, "better horse").await.code(), "link_invalid");
    assert_eq!(reset(&server, &other, &token, "better horse").await.code(), "link_invalid");
    assert_eq!(verify(&server, &project, &token).await.code(), "link_invalid");
    for forged in ["", "etl_", "etl__", "etl_x_y", "../..", "\0"] {
        assert_eq!(
            reset(&server, &project, forged, "better horse").await.code(),
            "link_invalid",
            "{forged:?}"
        );
    }
    let path = format!("/v1/auth/users/{user}");
    let moved = Call::new(Method::PATCH, &path).json(&json!({ "email": "ada@new.example" })).secret(&project);
    assert_eq!(server.send(moved).await.body["user"]["email_verified"], false);
    assert_eq!(reset(&server, &project, &token, "better horse").await.code(), "link_invalid");
}

#[tokio::test]
async fn a_password_that_is_refused_leaves_the_link() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    forgot(&server, &project, EMAIL).await;
    let token = link_token(&server.mails(EMAIL, 1).await[0]);
    assert_eq!(reset(&server, &project, &token, "short").await.code(), "weak_password");
    assert_eq!(reset(&server, &project, &token, "better horse").await.status, StatusCode::NO_CONTENT);
}
