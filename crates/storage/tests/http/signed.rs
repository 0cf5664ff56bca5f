//! Signed addresses.

use crate::support::{PUBLIC_URL, Project, World};
use http::{Method, StatusCode};
use serde_json::json;
use service_kit::ids::ProjectId;

async fn sign(project: &Project<'_>, path: &str, method: &str) -> String {
    let body = json!({ "path": path, "method": method, "expires_in": 60 });
    let answer = project.secret(Method::POST, "/signed-urls").json(&body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.value()["expires_at"], "2023-11-14T22:14:20Z");
    let url = answer.value()["url"].as_str().unwrap().to_owned();
    url.strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

fn refused() -> (u16, String) {
    (403, "forbidden".to_owned())
}

#[tokio::test]
async fn an_address_reads_without_a_key_until_it_ends() {
    let world = World::start().await;
    let project = world.project();
    project.put("a%20b/%C3%A4%3F", "hello").await;
    let url = sign(&project, "a b/ä?", "GET").await;
    assert_eq!(world.call(Method::GET, &url).send().await.text(), "hello");
    let part = world.call(Method::GET, &url).header("range", "bytes=1-2").send().await;
    assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, "el"));
    let head = world.call(Method::HEAD, &url).send().await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, "5"));
    assert!(head.header("content-security-policy").contains("sandbox"));
    assert_eq!(world.call(Method::PUT, &url).body("x").await.refusal(), refused());
    world.pass_ms(59_999);
    assert_eq!(world.call(Method::GET, &url).send().await.status, StatusCode::OK);
    world.pass_ms(1);
    assert_eq!(world.call(Method::GET, &url).send().await.refusal(), refused());
}

#[tokio::test]
async fn an_address_puts_also_from_pages_of_other_sites() {
    let world = World::start().await;
    let project = world.project();
    let url = sign(&project, "up/1", "PUT").await;
    let put = world.call(Method::PUT, &url).header("sec-fetch-site", "cross-site");
    let put = put.header("content-type", "text/plain").body("hello").await;
    assert_eq!((put.status, &put.value()["key"]), (StatusCode::CREATED, &json!("up/1")));
    assert_eq!(project.get("up/1").await.header("content-type"), "text/plain");
    assert_eq!(world.call(Method::GET, &url).send().await.refusal(), refused());
}

#[tokio::test]
async fn an_address_is_good_for_nothing_else() {
    let world = World::start().await;
    let (project, other) = (world.project(), world.project());
    for project in [&project, &other] {
        project.put("a", "secret").await;
        project.put("b", "secret").await;
    }
    let url = sign(&project, "a", "GET").await;
    let foreign = sign(&other, "a", "GET").await;
    let signature = |url: &str| url.split("signature=").nth(1).unwrap().to_owned();
    let expires = |url: &str| url.split(['=', '&']).nth(1).unwrap().to_owned();
    let later = expires(&url).parse::<i64>().unwrap() + 1;
    let tampered = [
        url.replace("/a?", "/b?"),
        url.replace(&expires(&url), &later.to_string()),
        url.replace(project.id.as_str(), other.id.as_str()),
        url.replace(project.id.as_str(), ProjectId::generate().as_str()),
        url.replace(project.id.as_str(), "nonsense"),
        url.replace(&signature(&url), &signature(&foreign)),
        url.replace(&signature(&url), ""),
        url.replace(&signature(&url), "%00"),
    ];
    for tampered in tampered {
        assert_eq!(world.call(Method::GET, &tampered).send().await.refusal(), refused(), "{tampered}");
    }
    let bare = world.call(Method::GET, url.split('?').next().unwrap()).send().await;
    assert_eq!(bare.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn revoked_addresses_end_at_once_and_new_ones_work() {
    let world = World::start().await;
    let (project, other) = (world.project(), world.project());
    project.put("a", "1").await;
    other.put("a", "2").await;
    let (old, foreign) = (sign(&project, "a", "GET").await, sign(&other, "a", "GET").await);
    let revoked = project.secret(Method::DELETE, "/signed-urls").send().await;
    assert_eq!(revoked.value(), json!({ "revoked": true }));
    assert_eq!(world.call(Method::GET, &old).send().await.refusal(), refused());
    assert_eq!(world.call(Method::GET, &foreign).send().await.text(), "2");
    let new = sign(&project, "a", "GET").await;
    assert_eq!(world.call(Method::GET, &new).send().await.text(), "1");
    assert_eq!(world.call(Method::GET, &old).send().await.refusal(), refused());
}

#[tokio::test]
async fn a_public_key_signs_what_rules_allow_for_an_hour_at_the_most() {
    let world = World::start().await;
    let project = world.project();
    project.put("open/a", "1").await;
    project.set_rules(json!([{ "path": "open/*", "read": true }])).await;
    let sign = async |path: &str, method: &str, expires_in: i64| {
        let body = json!({ "path": path, "method": method, "expires_in": expires_in });
        project.public(Method::POST, "/signed-urls").json(&body).await
    };
    assert_eq!(sign("open/a", "GET", 3_600).await.status, StatusCode::CREATED);
    assert_eq!(sign("open/a", "PUT", 60).await.refusal(), refused());
    assert_eq!(sign("closed", "GET", 60).await.refusal(), refused());
    let invalid = (400, "invalid_request".to_owned());
    assert_eq!(sign("open/a", "GET", 3_601).await.refusal(), invalid);
    assert_eq!(sign("open/a", "POST", 60).await.refusal(), invalid);
    for expires_in in [0, -1, 604_801] {
        let body = json!({ "path": "a", "method": "GET", "expires_in": expires_in });
        let answer = project.secret(Method::POST, "/signed-urls").json(&body).await;
        assert_eq!(answer.refusal(), invalid, "{expires_in}");
    }
}
