//! `ProjectApi`.

use crate::process::{Process, config};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use ports::access::{Caller, Grant};
use ports::project_api::ProjectApi;
use rpc::{Clients, MESSAGE_BYTES_MAX, Service};
use service_kit::ids::ProjectId;
use std::net::SocketAddr;
use std::sync::Arc;

/// Tells what it was asked.
pub(crate) struct FakeApi;

#[async_trait]
impl ProjectApi for FakeApi {
    async fn call(&self, grant: Grant, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        if parts.uri.path() == "/v1/large" {
            return Response::new(Bytes::from(vec![0; MESSAGE_BYTES_MAX + 1]));
        }
        let seen = format!("{} {} {:?} {:?}", parts.method, parts.uri, grant.caller, grant.project);
        Response::builder()
            .status(201)
            .header("x-seen", seen)
            .header("x-tag", parts.headers.get("x-tag").unwrap())
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(body)
            .unwrap()
    }
}

fn grant(project: &ProjectId) -> Grant {
    Grant { caller: Caller::Function, project: Some(project.clone()), end_user: None }
}

fn request(path: &str) -> Request<Bytes> {
    let tag = http::HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let builder = Request::builder().method("PUT").uri(path).header("x-tag", tag);
    builder.body(Bytes::from_static(b"\0body\xff")).unwrap()
}

#[tokio::test]
async fn a_request_and_its_answer_cross_whole() {
    let process = Process::start(|server| server.project_api(Arc::new(FakeApi))).await;
    let client = process.clients(Service::Functions).project_api(Service::Storage).unwrap();
    let project = ProjectId::generate();
    for api in [&FakeApi as &dyn ProjectApi, &client] {
        let answer = api.call(grant(&project), request("/v1/storage/a%20b?x=1&y")).await;
        assert_eq!(answer.status(), 201);
        let seen = answer.headers()["x-seen"].to_str().unwrap();
        assert_eq!(seen, format!("PUT /v1/storage/a%20b?x=1&y Function Some({project})"));
        assert_eq!(answer.headers()["x-tag"].as_bytes(), b"caf\xe9");
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.body().as_ref(), b"\0body\xff");
    }
}

#[tokio::test]
async fn what_is_too_large_is_said_to_be() {
    let process = Process::start(|server| server.project_api(Arc::new(FakeApi))).await;
    let client = process.clients(Service::Functions).project_api(Service::Storage).unwrap();
    let project = ProjectId::generate();
    let answer = client.call(grant(&project), request("/v1/large")).await;
    assert_eq!(answer.status(), 413);
    let body = request("/v1/x").map(|_| Bytes::from(vec![0; MESSAGE_BYTES_MAX + 1]));
    assert_eq!(client.call(grant(&project), body).await.status(), 413);
}

#[tokio::test]
async fn a_service_that_is_away_is_named() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let clients = Clients::new(&config(nobody), Service::Functions).unwrap();
    let client = clients.project_api(Service::BunderManager).unwrap();
    let answer = client.call(grant(&ProjectId::generate()), request("/v1/kv/a")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["error"]["code"], "unavailable");
    assert_eq!(body["error"]["details"]["service"], "bunder-manager");
}
