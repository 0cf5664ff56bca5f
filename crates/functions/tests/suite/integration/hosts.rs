//! Hosts that mean a function: under the server's domain, and domains of projects.

use crate::support::{Call, Server, config};
use functions::FunctionsConfig;
use http::Method;
use serde_json::json;

const SHOW: &str =
    "export default (req: Request) => new Response(new URL(req.url).host + new URL(req.url).pathname)";

fn at<'a>(host: &'a str, path: &'a str) -> Call<'a> {
    Call::at(host, path)
}

async fn start() -> Server {
    let hosts = FunctionsConfig {
        domain: Some("fn.example".to_owned()),
        custom_domains: vec![
            "*.shop.example".to_owned(),
            "api.example".to_owned(),
            "x.fn.example".to_owned(),
        ],
        ..config()
    };
    Server::start_with(hosts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_under_the_domain_is_the_function_for_every_path() {
    let server = start().await;
    server.deploy("f", SHOW).await.is(201);
    server
        .deploy_with("open", SHOW, json!({ "settings": { "access": "public" }, "version": "v1" }))
        .await
        .is(201);
    let host = |label: &str| format!("{label}.{}.fn.example", server.a.as_str().replacen('_', "-", 1));
    let (open, closed) = (host("open"), host("f"));
    assert!(server.front.claims_as_it_is(&open, "/") && !server.front.claims_as_it_is("example.com", "/"));
    let answer = server.call(at(&open, "/v1/functions/f/x")).await;
    assert_eq!(answer.is(200).text(), format!("{open}/v1/functions/f/x"));
    server.call(at(&closed, "/")).await.is_error(401, "unauthenticated");
    server.call(at(&closed, "/").key("pk_a")).await.is(200);
    server.call(at(&closed, "/").key("pk_b")).await.is_error(404, "project_not_found");
    server.call(at(&host("missing"), "/").key("pk_a")).await.is_error(404, "function_not_found");
    let by_slug = format!("open.{}.fn.example", crate::support::slug_of(&server.a));
    server.call(at(&by_slug, "/a")).await.is(200);
    let unknown = "open.no-such-slug.fn.example";
    server.call(at(unknown, "/").key("pk_a")).await.is_error(404, "project_not_found");
    server.call(at(unknown, "/")).await.is_error(401, "unauthenticated");
    server.manage(Method::PUT, "/open/aliases/preview", Some(json!({ "version": "v1" }))).await.is(200);
    server.call(at(&host("open--preview"), "/")).await.is(200);
    server.call(at(&host("open--other"), "/")).await.is_error(404, "version_not_found");
    let detail = server.manage(Method::GET, "/open", None).await.json();
    assert_eq!(detail["domains"], json!([open]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_of_a_project_means_its_function_and_nobody_elses() {
    let server = start().await;
    server.deploy_with("f", SHOW, json!({ "settings": { "access": "public" } })).await.is(201);
    let put = async |host: &str| {
        let body = json!({ "function": "f" });
        server.of_project(Method::PUT, &format!("/domains/{host}"), Some(body)).await
    };
    assert_eq!(put("WWW.shop.example").await.is(200).json()["host"], "www.shop.example");
    assert_eq!(server.call(at("www.shop.example", "/a")).await.is(200).text(), "www.shop.example/a");
    for (host, status, code) in [
        ("api.example", 403, "forbidden"),
        ("x.fn.example", 403, "forbidden"),
        ("elsewhere.example", 403, "forbidden"),
        ("localhost", 400, "invalid_name"),
        ("10.0.0.1", 400, "invalid_name"),
    ] {
        put(host).await.is_error(status, code);
    }
    let missing = json!({ "function": "missing" });
    server
        .of_project(Method::PUT, "/domains/a.shop.example", Some(missing))
        .await
        .is_error(404, "function_not_found");
    let of_b = crate::support::deployment("f", SHOW, json!({}));
    server.manage_as("sk_b", &server.b, (Method::POST, "", Some(of_b))).await.is(201);
    let taken = ("application/json", json!({ "function": "f" }).to_string().into_bytes());
    let path = format!("/v1/projects/{}/domains/www.shop.example", server.b);
    server.send("sk_b", (Method::PUT, &path), Some(taken)).await.is_error(409, "conflict");
    server.send("sk_b", (Method::GET, &path), None).await.is_error(404, "domain_not_found");
    server.send("sk_b", (Method::DELETE, &path), None).await.is_error(404, "domain_not_found");

    let server = server.restart().await;
    server.call(at("www.shop.example:8443", "/a")).await.is(200);
    assert_eq!(
        server.of_project(Method::GET, "/domains/www.shop.example", None).await.is(200).json()["function"],
        "f"
    );
    server.of_project(Method::DELETE, "/domains/www.shop.example", None).await.is(204);
    assert_eq!(server.of_project(Method::GET, "/domains", None).await.is(200).json()["domains"], json!([]));
    assert!(!server.front.claims_as_it_is("www.shop.example", "/"));
    server.of_project(Method::PUT, "/domains/b.shop.example", Some(json!({ "function": "f" }))).await.is(200);
    server.manage(Method::DELETE, "/f", None).await.is(204);
    assert!(!server.front.claims_as_it_is("b.shop.example", "/"));
    server.stop().await;
}
