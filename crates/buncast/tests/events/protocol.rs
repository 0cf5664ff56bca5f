//! The socket protocol, with a client of a few lines.

use crate::support::{World, events, soon, texts};
use bytes::Bytes;
use ports::events::{EventBus as _, Realm, SlowPolicy};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const CREATE: u8 = 1;
const DELETE: u8 = 2;
const LIST: u8 = 3;
const PUBLISH: u8 = 4;
const SUBSCRIBE: u8 = 5;
const PUBLISH_QUIETLY: u8 = 6;

struct Client(UnixStream);

/// Id, status, payload.
type Answer = (u64, u8, Vec<u8>);

fn request(id: u64, command: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = (13 + payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&id.to_le_bytes());
    frame.push(command);
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn topic(name: &str) -> Vec<u8> {
    let mut bytes = (name.len() as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

fn publication(name: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = topic(name);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

impl Client {
    async fn connect(world: &World) -> Self {
        Self(UnixStream::connect(world.socket()).await.unwrap())
    }

    async fn exact(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        soon(self.0.read_exact(&mut buffer)).await.unwrap();
        buffer
    }

    async fn frame(&mut self) -> Vec<u8> {
        let length = self.exact(4).await;
        let length = u32::from_le_bytes(length.try_into().unwrap());
        self.exact(length as usize).await
    }

    async fn answer(&mut self) -> Answer {
        let frame = self.frame().await;
        let id = u64::from_le_bytes(frame[..8].try_into().unwrap());
        assert_eq!(frame[9..13], (frame.len() as u32 - 13).to_le_bytes());
        (id, frame[8], frame[13..].to_vec())
    }

    async fn call(&mut self, command: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        self.0.write_all(&request(9, command, payload)).await.unwrap();
        let (id, status, payload) = self.answer().await;
        assert_eq!(id, 9);
        (status, payload)
    }

    /// Topic and payload of the next message.
    async fn message(&mut self) -> (String, Vec<u8>) {
        let frame = self.frame().await;
        let name = usize::from(u16::from_le_bytes(frame[..2].try_into().unwrap()));
        let payload = &frame[2 + name..];
        assert_eq!(payload[..4], (payload.len() as u32 - 4).to_le_bytes());
        (String::from_utf8(frame[2..2 + name].to_vec()).unwrap(), payload[4..].to_vec())
    }

    async fn notice(&mut self) -> Value {
        let (name, payload) = self.message().await;
        assert_eq!(name, "");
        serde_json::from_slice(&payload).unwrap()
    }
}

fn options(slow: u8, from: u64) -> Vec<u8> {
    let mut bytes = vec![slow];
    bytes.extend_from_slice(&from.to_le_bytes());
    bytes
}

#[tokio::test]
async fn the_commands_of_the_old_protocol_work() {
    let world = World::with_socket().await;
    let mut client = Client::connect(&world).await;
    assert_eq!(client.call(CREATE, &topic("functions.deployments")).await, (0, vec![]));
    assert_eq!(client.call(LIST, &[]).await, (0, br#"["functions.deployments"]"#.to_vec()));
    let mut subscriber = Client::connect(&world).await;
    assert_eq!(subscriber.call(SUBSCRIBE, &topic("functions.deployments")).await, (0, vec![]));
    assert_eq!(client.call(PUBLISH, &publication("functions.deployments", b"{}")).await, (0, vec![]));
    assert_eq!(subscriber.message().await, ("functions.deployments".into(), b"{}".to_vec()));
    assert_eq!(client.call(DELETE, &topic("functions.deployments")).await, (0, vec![]));
    let (status, error) = client.call(DELETE, &topic("functions.deployments")).await;
    let error: Value = serde_json::from_slice(&error).unwrap();
    assert_eq!((status, &error["code"]), (1, &json!("topic_not_found")));
    assert!(error["error"].is_string());
}

#[tokio::test]
async fn many_frames_in_one_write_keep_their_order() {
    let world = World::with_socket().await;
    let mut subscriber = Client::connect(&world).await;
    subscriber.call(SUBSCRIBE, &topic("t.>")).await;
    let mut bus = world.subscribe(&Realm::System, "t.b", SlowPolicy::DropOldest).await;
    let mut client = Client::connect(&world).await;
    let mut bytes = Vec::new();
    for number in 0..2_000_u64 {
        let name = if number % 3 == 0 { "t.a" } else { "t.b" };
        let command = if number % 2 == 0 { PUBLISH } else { PUBLISH_QUIETLY };
        bytes.extend(request(number, command, &publication(name, number.to_string().as_bytes())));
    }
    // In pieces that end anywhere.
    for piece in bytes.chunks(7_919) {
        client.0.write_all(piece).await.unwrap();
    }
    for number in 0..2_000_u64 {
        let name = if number % 3 == 0 { "t.a" } else { "t.b" };
        assert_eq!(subscriber.message().await, (name.to_owned(), number.to_string().into_bytes()));
        if number % 2 == 0 {
            assert_eq!(client.answer().await, (number, 0, vec![]));
        }
    }
    let expected: Vec<_> =
        (0..2_000).filter(|number| number % 3 != 0).map(|number: u64| number.to_string()).collect();
    assert_eq!(texts(&events(&mut bus, expected.len()).await), expected);
}

#[tokio::test]
async fn a_durable_topic_is_read_again_from_an_offset() {
    let world = World::with_socket().await;
    let mut client = Client::connect(&world).await;
    let mut declaration = topic("orders");
    declaration.extend_from_slice(&3_600_u64.to_le_bytes());
    declaration.extend_from_slice(&(1_u64 << 20).to_le_bytes());
    assert_eq!(client.call(CREATE, &declaration).await, (0, vec![]));
    let mut bytes = Vec::new();
    for number in 0..50_u64 {
        bytes.extend(request(number, PUBLISH, &publication("orders", number.to_string().as_bytes())));
    }
    client.0.write_all(&bytes).await.unwrap();
    for number in 0..50_u64 {
        assert_eq!(client.answer().await, (number, 0, number.to_le_bytes().to_vec()));
    }
    let mut reader = Client::connect(&world).await;
    let mut wish = topic("orders");
    wish.extend(options(0, 40));
    assert_eq!(reader.call(SUBSCRIBE, &wish).await, (0, vec![]));
    assert_eq!(reader.notice().await, json!({"offset": 40}));
    for number in 40..50 {
        assert_eq!(reader.message().await.1, number.to_string().into_bytes());
    }
    client.call(PUBLISH, &publication("orders", b"50")).await;
    assert_eq!(reader.message().await.1, b"50");
    let mut late = Client::connect(&world).await;
    let mut wish = topic("orders");
    wish.extend(options(0, 1_000));
    late.call(SUBSCRIBE, &wish).await;
    assert_eq!(late.notice().await, json!({"resync": true}));
    assert_eq!(late.notice().await, json!({"offset": 0}));
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_frames_that_are_not_end_the_connection() {
    let world = World::with_socket().await;
    let mut client = Client::connect(&world).await;
    let wrong: [(u8, Vec<u8>); 8] = [
        (77, vec![]),
        (PUBLISH, vec![1]),
        (PUBLISH, publication("a.*", b"x")),
        (PUBLISH, [publication("a", b"x"), vec![0]].concat()),
        (SUBSCRIBE, topic("a..b")),
        (SUBSCRIBE, [topic("a"), vec![9; 9]].concat()),
        (SUBSCRIBE, [topic("a"), options(0, 0)].concat()),
        (CREATE, [topic("a"), vec![1; 3]].concat()),
    ];
    for (command, payload) in wrong {
        assert_eq!(client.call(command, &payload).await.0, 1, "{command} {payload:?}");
    }
    assert_eq!(client.call(LIST, &[]).await.0, 0);
    client.0.write_all(&[0xff; 20]).await.unwrap();
    assert_eq!(soon(client.0.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn the_socket_is_its_users_alone_and_is_taken_over_after_a_kill() {
    let world = World::with_socket().await;
    let path = world.socket();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let config =
        || buncast::BuncastConfig { socket: Some(path.clone()), ..buncast::BuncastConfig::default() };
    let other = tempfile::tempdir().unwrap();
    let deps = |directory: &std::path::Path| buncast::BuncastDeps {
        data_dir: directory.to_owned(),
        drain: service_kit::drain::Drain::new(),
    };
    let taken = buncast::BuncastService::start(config(), deps(other.path())).await;
    assert!(matches!(taken, Err(buncast::BuncastError::Socket { .. })));
    world.service.shutdown().await;
    assert!(!path.exists());
    // What a killed server leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let service = buncast::BuncastService::start(config(), deps(other.path())).await.unwrap();
    service.bus().publish(&Realm::System, &crate::support::topic("a"), Bytes::new()).await.unwrap();
    service.shutdown().await;
}

#[tokio::test]
async fn a_subscriber_that_is_gone_is_forgotten() {
    let world = World::with_socket().await;
    let mut client = Client::connect(&world).await;
    client.call(SUBSCRIBE, &topic("a")).await;
    let mut demand = world.broker().demand();
    let wanted = |demand: &ports::events::Demand| demand.in_realm(&Realm::System).count();
    assert_eq!(wanted(&demand.borrow_and_update()), 1);
    drop(client);
    soon(demand.wait_for(|demand| wanted(demand) == 0)).await.unwrap();
}

#[tokio::test]
async fn a_publisher_that_knew_a_topic_before_it_was_declared_writes_to_its_log() {
    let world = World::with_socket().await;
    let (mut publisher, mut other) = (Client::connect(&world).await, Client::connect(&world).await);
    assert_eq!(publisher.call(PUBLISH, &publication("a", b"x")).await, (0, vec![]));
    assert_eq!(other.call(DELETE, &topic("a")).await, (0, vec![]));
    let mut declaration = topic("a");
    declaration.extend_from_slice(&60_u64.to_le_bytes());
    declaration.extend_from_slice(&(1_u64 << 20).to_le_bytes());
    assert_eq!(other.call(CREATE, &declaration).await, (0, vec![]));
    assert_eq!(publisher.call(PUBLISH, &publication("a", b"x")).await, (0, 0_u64.to_le_bytes().to_vec()));
}
