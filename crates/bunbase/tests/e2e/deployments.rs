//! The control plane of functions in the whole server: variables that the KMS keeps, hosts, the audit log.

use crate::client::{Client, Project};
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::json;

const SHOW: &str =
    "export default (req: Request) => Response.json({ path: new URL(req.url).pathname, env: process.env })";

async fn with_settings(data: &Data) -> Server {
    let settings = "[functions]\ndomain = \"fn.example\"\ncustom_domains = [\"*.shop.example\"]\n";
    let file = data.path().with_extension("toml");
    std::fs::write(&file, settings).unwrap();
    Server::start_with(data, &["--config", file.to_str().unwrap()]).await
}

async fn at_host(client: &Client, host: &str, path: &str) -> crate::client::Answer {
    client.send(client.request(Method::GET, path).header("host", host)).await
}

fn area(project: &Project, tail: &str) -> String {
    format!("/v1/projects/{}{tail}", project.id)
}

#[tokio::test]
async fn variables_are_kept_by_the_kms_and_survive_a_restart() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    ada.deploy(&project, "f", "v1", SHOW).await.expect(201);
    ada.put(&area(&project, "/env/REGION"), json!({ "value": "a-value-of-its-own" })).await.expect(200);
    ada.put(&area(&project, "/kms/secrets/stripe"), json!({ "value": "sk_live" })).await;
    ada.put(&area(&project, "/functions/f/env/STRIPE"), json!({ "secret": "stripe" })).await.expect(200);
    let wanted = json!({ "REGION": "a-value-of-its-own", "STRIPE": "sk_live" });
    let caller = server.client().with_key(&project.public_key);
    assert_eq!(caller.get("/v1/functions/f").await.expect(200)["env"], wanted);
    let audit = ada.get(&area(&project, "/audit")).await.expect(200).to_string();
    assert!(audit.contains("/env/{key}") && audit.contains("STRIPE"), "{audit}");
    assert!(!audit.contains("a-value-of-its-own"), "{audit}");
    server.stop().await;
    let server = Server::start(&data).await;
    assert_eq!(caller.at(&server).get("/v1/functions/f").await.expect(200)["env"], wanted);
    server.stop().await;
}

#[tokio::test]
async fn hosts_lead_to_functions_and_to_nothing_else() {
    let data = Data::new();
    let server = with_settings(&data).await;
    let nobody = server.client();
    let ada = nobody.set_up().await;
    let project = ada.project("Shop of Ada").await;
    ada.deploy(&project, "open", "v1", SHOW).await.expect(201);
    ada.deploy(&project, "closed", "v1", SHOW).await.expect(201);
    ada.patch(&area(&project, "/functions/open"), json!({ "access": "public" })).await.expect(200);
    let dashed = project.id.replacen('_', "-", 1);
    for host in [format!("open.{dashed}.fn.example"), "open.shop-of-ada.fn.example:8080".to_owned()] {
        for path in ["/health", "/api/projects", "/"] {
            assert_eq!(at_host(&nobody, &host, path).await.expect(200)["path"], path, "{host}");
        }
    }
    let closed = "closed.shop-of-ada.fn.example";
    at_host(&nobody, closed, "/").await.expect_error(401, "unauthenticated");
    let keyed = nobody.with_key(&project.public_key);
    at_host(&keyed, closed, "/").await.expect(200);
    at_host(&nobody, "open.elsewhere.fn.example", "/health").await.expect_error(401, "unauthenticated");
    assert!(at_host(&nobody, "fn.example", "/health").await.status.is_success());

    let domain = area(&project, "/domains/www.shop.example");
    ada.put(&domain, json!({ "function": "open" })).await.expect(200);
    assert_eq!(
        at_host(&nobody, "www.shop.example", "/v1/projects").await.expect(200)["path"],
        "/v1/projects"
    );
    ada.put(&area(&project, "/domains/other.example"), json!({ "function": "open" }))
        .await
        .expect_error(403, "forbidden");
    assert_eq!(ada.delete(&domain).await.status, 204);
    at_host(&nobody, "www.shop.example", "/v1/projects").await.expect_error(401, "unauthenticated");
    server.stop().await;
}
