//! Bad input gets a clear error, and nothing is lost.

use crate::client::{Answer, Client};
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::json;

const DOCUMENTS: &str = "/v1/database/collections/places/documents";

async fn raw(client: &Client, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", "application/json").body(body);
    client.send(request).await
}

#[tokio::test]
async fn malformed_bodies_are_named_for_what_they_are() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    secret.post(DOCUMENTS, json!({ "_id": "kept" })).await.expect(201);
    let deep = format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000));
    let cases: Vec<(Vec<u8>, u16)> = vec![
        (b"{".to_vec(), 400),
        (b"[1]".to_vec(), 400),
        (b"\"text\"".to_vec(), 400),
        (b"{\"a\": \"\xff\xfe\"}".to_vec(), 400),
        (b"{\"a\\u0000b\": 1}".to_vec(), 400),
        (b"{\"_id\": \"a/../b\"}".to_vec(), 400),
        (b"{\"_id\": \"\\u0000\"}".to_vec(), 400),
        (b"{\"_id\": 5}".to_vec(), 400),
        (b"{\"a\": 1, \"a\": 2}".to_vec(), 400),
        (b"{\"a\": 1} trailing".to_vec(), 400),
        (deep.into_bytes(), 400),
        (Vec::new(), 400),
    ];
    for (body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = raw(&secret, DOCUMENTS, body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert!(answer.code().starts_with("invalid_"), "{shown}: {}", answer.body);
    }
    raw(&secret, DOCUMENTS, format!("{{\"a\": \"{}\"}}", "x".repeat(17 << 20)))
        .await
        .expect_error(413, "body_too_large");
    let text = secret.request(Method::POST, DOCUMENTS).header("content-type", "text/plain").body("{}");
    secret.send(text).await.expect_error(415, "unsupported_media_type");
    let listed = secret.get(DOCUMENTS).await.expect(200);
    assert_eq!(listed["documents"], json!([{ "_id": "kept" }]));
    server.stop().await;
}

#[tokio::test]
async fn malformed_parameters_are_named() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    secret.post(DOCUMENTS, json!({ "_id": "kept" })).await.expect(201);
    for query in ["limit=0", "limit=-1", "limit=abc", "limit=1000000000", "cursor=nonsense"] {
        let answer = secret.get(&format!("{DOCUMENTS}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    for name in ["..%2F..%2Fetc", "a%2F..%2Fb", "%00", "a%2F%2Fb"] {
        let path = format!("/v1/database/collections/{name}/documents");
        secret.post(&path, json!({})).await.expect_error(400, "invalid_name");
    }
    let query = format!("{DOCUMENTS}/query");
    for body in [json!({ "query": { "a": { "$nope": 1 } } }), json!({ "query": [] }), json!({ "qery": {} })] {
        let answer = secret.post(&query, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    let name =
        json!({ "name": "../x", "runtime": "bun", "handler": "default", "version": "v1", "bundle": "" });
    let answer = ada.post(&format!("/v1/projects/{}/functions", project.id), name).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    for id in ["nonsense", "prj_00000000000000000000000000000000", "%00", "..%2F.."] {
        ada.get(&format!("/v1/projects/{id}")).await.expect_error(404, "project_not_found");
    }
    for key in ["sk_0", "pk_", "nonsense"] {
        server.client().with_key(key).get(DOCUMENTS).await.expect_error(401, "unauthenticated");
    }
    server.stop().await;
}

#[tokio::test]
async fn headers_over_the_limit_are_refused() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let nobody = server.client();
    let large = nobody.request(Method::GET, "/health").header("x-large", "x".repeat(100 << 10));
    assert_eq!(large.send().await.unwrap().status(), 431);
    let mut many = nobody.request(Method::GET, "/health");
    for n in 0..150 {
        many = many.header(format!("x-{n}"), "1");
    }
    assert_eq!(many.send().await.unwrap().status(), 431);
    nobody.get("/health").await.expect(200);
    server.stop().await;
}
