//! Whose request it is: what is for operators stays closed to whoever only says that they are.

use crate::support::{Service, parts, start};
use axum::Router;
use gateway::{GatewayParts, Upstreams};
use http::HeaderMap;
use std::net::SocketAddr;

async fn metrics(address: SocketAddr, forwarded: Option<&str>) -> u16 {
    let mut request = reqwest::Client::new().get(format!("http://{address}/metrics"));
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_forwarded_address_makes_nobody_an_operator() {
    let mut trusting = parts();
    trusting.config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let (trusting, plain) = (start(trusting).await, start(parts()).await);
    for address in [trusting, plain] {
        assert_eq!(metrics(address, None).await, 200);
        for forwarded in ["203.0.113.9", "127.0.0.1", "::1", "127.0.0.1, 203.0.113.9", "nonsense", ""] {
            assert_eq!(metrics(address, Some(forwarded)).await, 401, "{forwarded}");
        }
    }
}

async fn echo(headers: HeaderMap) -> String {
    let text = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    [text("x-forwarded-for"), text("x-forwarded-proto"), text("x-bundoc-admin"), text("x-bundoc-auth")]
        .join(" ")
}

#[tokio::test]
async fn services_are_told_the_client_as_the_gateway_found_it() {
    let service = Service::start(Router::new().fallback(echo)).await;
    for (trusted, expected) in
        [(vec![], "127.0.0.1 http - -"), (vec!["127.0.0.0/8".parse().unwrap()], "203.0.113.9 https - -")]
    {
        let mut upstreams = Upstreams::default();
        upstreams.add("storage", &format!("http://{}", service.address)).unwrap();
        let mut parts = GatewayParts { upstreams, ..parts() };
        parts.config.trusted_proxies = trusted;
        let address = start(parts).await;
        let request = reqwest::Client::new()
            .get(format!("http://{address}/v1/storage/a"))
            .header("x-forwarded-for", "198.51.100.7, 203.0.113.9")
            .header("x-forwarded-proto", "https")
            .header("x-bundoc-admin", "true")
            .header("x-bundoc-auth", "u:{}");
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), expected);
    }
}
