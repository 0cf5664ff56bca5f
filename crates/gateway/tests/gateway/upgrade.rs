//! Connections that switch protocols, such as WebSocket: bytes pass both ways until one side or the drain
//! ends it.

use crate::support::{Service, parts, start};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use gateway::{GatewayParts, Upstreams};
use http::{Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use service_kit::drain::Drain;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Switches to a protocol that sends back what it gets.
async fn echo(mut request: Request) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgraded.await.unwrap());
        let mut buffer = [0; 64];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..read]).await.unwrap();
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "echo")
        .body(Body::empty())
        .unwrap()
}

/// Asks `gateway` to switch and returns the connection behind the answer's head.
async fn switched(gateway: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nupgrade: echo\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    stream
}

async fn echoes(stream: &mut TcpStream) {
    for text in ["hello", "again"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, text.as_bytes());
    }
}

async fn gateway(drain: Drain) -> (SocketAddr, Service) {
    let service = Service::start(Router::new().route("/v1/events/a/subscribe", get(echo))).await;
    let mut upstreams = Upstreams::default();
    upstreams.add("buncast", &format!("http://{}", service.address)).unwrap();
    (start(GatewayParts { upstreams, drain, ..parts() }).await, service)
}

#[tokio::test]
async fn an_upgraded_connection_is_joined_through() {
    let (address, _service) = gateway(Drain::new()).await;
    let mut stream = switched(address, "/v1/events/a/subscribe").await;
    echoes(&mut stream).await;
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_drain_ends_it() {
    let drain = Drain::new();
    let (address, _service) = gateway(drain.clone()).await;
    let mut stream = switched(address, "/v1/events/a/subscribe").await;
    echoes(&mut stream).await;
    drain.start();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_service_of_this_process_can_switch_too() {
    let access = std::sync::Arc::new(crate::support::LocalOperators);
    let route = routes::Route::get("/v1/events/a/subscribe", routes::Need::Nobody);
    let events = routes::Routes::new("events", (), access).add(route, echo).finish();
    let address = start(GatewayParts { services: vec![events], ..parts() }).await;
    echoes(&mut switched(address, "/v1/events/a/subscribe").await).await;
}
