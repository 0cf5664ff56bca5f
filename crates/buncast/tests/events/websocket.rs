//! WebSockets over a real listener, with a client of a few lines (RFC 6455 §5).

use crate::durable::{declare, key};
use crate::support::{World, events, project, soon, texts};
use http::Method;
use ports::events::{Realm, SlowPolicy};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

struct Client(TcpStream);

impl Client {
    /// Connects; the answer's status line where it is no upgrade.
    async fn open(address: SocketAddr, path: &str, headers: &[String]) -> Result<Self, String> {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(socket.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101") { Ok(Self(socket)) } else { Err(head) }
    }

    async fn subscribe(address: SocketAddr, realm: &Realm, pattern: &str) -> Self {
        let path = format!("/v1/events/{pattern}/subscribe");
        let key = format!("x-bunbase-client-key: {}", key(realm));
        let mut client = Self::open(address, &path, &[key]).await.unwrap();
        assert_eq!(client.json().await, json!({"event": "connected", "topic": pattern}));
        client
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        // A server that has had enough may close before it has read everything.
        let _ = self.0.write_all(&frame).await;
    }

    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        soon(async {
            let opcode = self.0.read_u8().await? & 0x0f;
            let length = match self.0.read_u8().await? {
                126 => usize::from(self.0.read_u16().await?),
                127 => self.0.read_u64().await? as usize,
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await?;
            Ok((opcode, payload))
        })
        .await
    }

    async fn json(&mut self) -> Value {
        let (opcode, payload) = self.frame().await.unwrap();
        assert_eq!(opcode, TEXT, "{payload:?}");
        serde_json::from_slice(&payload).unwrap()
    }

    async fn publish(&mut self, message: &Value) -> Value {
        self.send(TEXT, message.to_string().as_bytes()).await;
        self.json().await
    }
}

#[tokio::test]
async fn a_websocket_brings_events_and_takes_publications() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    declare(&world, &realm, "orders").await;
    let mut client = Client::subscribe(address, &realm, "chat.*").await;
    world.publish(&realm, "chat.a", "{\"x\":1}").await;
    let message = client.json().await;
    assert_eq!((&message["topic"], &message["data"]), (&json!("chat.a"), &json!({"x": 1})));
    let mut other = world.subscribe(&realm, ">", SlowPolicy::DropOldest).await;
    let answer = client.publish(&json!({"topic": "orders", "data": {"n": 1}, "id": 7})).await;
    assert_eq!(answer, json!({"event": "published", "offset": 0, "id": 7}));
    let answer = client.publish(&json!({"topic": "other", "data_base64": "aGk="})).await;
    assert_eq!(answer, json!({"event": "published", "offset": null, "id": null}));
    assert_eq!(texts(&events(&mut other, 2).await), ["{\"n\":1}", "hi"]);
    let answer = client.publish(&json!({"topic": "a.>", "data": 1})).await;
    assert_eq!((&answer["event"], &answer["code"]), (&json!("error"), &json!("invalid_name")));
    assert_eq!(client.publish(&json!({"data": 1})).await["code"], "invalid_request");
}

#[tokio::test]
async fn pings_are_answered_and_what_is_too_large_ends_the_connection() {
    let config = buncast::BuncastConfig { payload_bytes_max: 1_000, ..buncast::BuncastConfig::default() };
    let world = World::with(config).await;
    let (address, realm) = (world.listen().await, project());
    let mut client = Client::subscribe(address, &realm, "a").await;
    client.send(PING, b"there?").await;
    assert_eq!(client.frame().await.unwrap(), (PONG, b"there?".to_vec()));
    let large = json!({"topic": "a", "data": "x".repeat(1_500)});
    assert_eq!(client.publish(&large).await["code"], "body_too_large");
    client.send(TEXT, &vec![b'x'; 100 << 10]).await;
    loop {
        match client.frame().await {
            Ok((CLOSE, _)) | Err(_) => break,
            Ok((opcode, _)) => assert_ne!(opcode, TEXT),
        }
    }
}

#[tokio::test]
async fn a_revoked_key_ends_its_websocket() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    let mut client = Client::subscribe(address, &realm, "a").await;
    world.access.revoke(&key(&realm));
    assert_eq!(client.json().await, json!({"event": "close", "reason": "revoked"}));
    assert_eq!(client.frame().await.unwrap().0, CLOSE);
}

#[tokio::test]
async fn a_public_key_publishes_what_rules_allow() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    let Realm::Project(id) = &realm else { panic!("a project") };
    let rules = json!({"rules": [{"path": "chat.>", "read": true}, {"path": "chat.open", "write": true}]});
    world.with_key(&key(&realm), Method::PUT, "/v1/event-rules", &rules.to_string()).await;
    let mut client =
        Client::open(address, &format!("/v1/events/chat.%3E/subscribe?key=pk_{id}"), &[]).await.unwrap();
    assert_eq!(client.json().await["topic"], "chat.>");
    assert_eq!(client.publish(&json!({"topic": "chat.closed", "data": 1})).await["code"], "forbidden");
    client.send(TEXT, br#"{"topic": "chat.open", "data": 1}"#).await;
    let (one, two) = (client.json().await, client.json().await);
    assert!([&one, &two].iter().any(|message| message["event"] == "published"), "{one} {two}");
    assert!([&one, &two].iter().any(|message| message["topic"] == "chat.open"), "{one} {two}");
}

#[tokio::test]
async fn a_viewer_listens_and_does_not_publish() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    let Realm::Project(id) = &realm else { panic!("a project") };
    let path = format!("/v1/projects/{id}/events/a/subscribe");
    let cookie = format!("cookie: session_token=viewer.{id}");
    let mut client = Client::open(address, &path, std::slice::from_ref(&cookie)).await.unwrap();
    client.json().await;
    assert_eq!(client.publish(&json!({"topic": "a", "data": 1})).await["code"], "forbidden");
    // The cookie of somebody who is signed in does not serve another site's page.
    let foreign = [cookie, "origin: https://evil.test".to_owned()];
    let refused = Client::open(address, &path, &foreign).await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
}
