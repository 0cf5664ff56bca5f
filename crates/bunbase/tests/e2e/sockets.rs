//! WebSockets that functions take: messages both ways, each way to end one, and who may open one.

use crate::client::{Client, Project};
use crate::server::{Data, Server};
use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long something that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Settings: a place less than the tests open, and workers that do not wait long for sockets.
const SETTINGS: &str = "[functions]\nsockets_per_project_max = 3\ndrain_timeout_ms = 500\nmax_workers = 1\n";
const MESSAGE_BYTES_MAX: usize = 1 << 20;

pub(crate) const ROOM: &str = r#"
    import { upgradeWebSocket } from "bunbase-js/function";
    const events: string[] = [];
    let last: WebSocket | undefined;
    const orders: Record<string, (socket: WebSocket) => void> = {
      close: (socket) => socket.close(4001, "bye"),
      throw: () => { throw new Error("in a listener"); },
      exit: () => process.exit(1),
      large: (socket) => socket.send("x".repeat((1 << 20) + 1)),
      flood: (socket) => { for (let at = 0; at < 48; at += 1) socket.send(new Uint8Array(256 << 10)); },
    };
    export default (req: Request): Response => {
      const { pathname, searchParams } = new URL(req.url);
      if (pathname === "/events") return Response.json(events.splice(0));
      if (pathname === "/state") return Response.json([process.pid, last?.bufferedAmount, last?.readyState]);
      if (pathname === "/plain") return new Response(req.headers.get("upgrade"), { status: 426 });
      if (pathname === "/url") return new Response(req.url);
      const protocol = searchParams.get("protocol");
      let upgraded: ReturnType<typeof upgradeWebSocket>;
      try {
        upgraded = upgradeWebSocket(req, protocol === null ? {} : { protocol });
      } catch (error) {
        return new Response(String(error), { status: 400 });
      }
      const { socket, response } = upgraded;
      last = socket;
      req.signal.addEventListener("abort", () => events.push("aborted"));
      socket.binaryType = "arraybuffer";
      socket.onopen = () => { if (pathname === "/push") for (const text of ["a", "b"]) socket.send(text); };
      socket.onmessage = ({ data }) => (orders[data] ?? (() => socket.send(data)))(socket);
      socket.onclose = ({ code, reason }) => events.push(`close ${code} ${reason}`.trim());
      return response;
    };"#;

pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one, or gives status and body of the answer that refuses it.
    pub(crate) async fn open(
        server: &Server,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, (u16, String)> {
        let address = server.url.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                Err((answer.status().as_u16(), String::from_utf8(body).unwrap()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    /// The next message that is no ping.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something comes in time");
            match next {
                Some(Ok(Message::Ping(_))) => {}
                other => return other.and_then(Result::ok),
            }
        }
    }

    pub(crate) async fn echoes(&mut self, message: Message) {
        self.send(message.clone()).await;
        assert!(self.next().await == Some(message), "it comes back as it was");
    }

    /// The code and the reason with which it is closed from now on.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Message::Close(frame)) => {
                    let frame = frame.unwrap();
                    // The client's close goes back; then the server ends the connection.
                    assert_eq!(self.next().await, None);
                    return (frame.code.into(), frame.reason.to_string());
                }
                None => panic!("it ended without a close"),
                Some(_) => {}
            }
        }
    }
}

struct World {
    data: Data,
    server: Server,
    ada: Client,
    project: Project,
    caller: Client,
}

impl World {
    async fn start() -> Self {
        let data = Data::new();
        let settings = data.path().with_extension("toml");
        std::fs::write(&settings, SETTINGS).unwrap();
        let server = Server::start_with(&data, &["--config", &settings.display().to_string()]).await;
        let ada = server.client().set_up().await;
        let project = ada.project("one").await;
        let caller = server.client().with_key(&project.public_key);
        let world = Self { data, server, ada, project, caller };
        world.deploy("v1").await;
        world
    }

    async fn deploy(&self, version: &str) {
        self.ada.deploy(&self.project, "room", version, ROOM).await.expect(201);
    }

    async fn open(&self, tail: &str) -> Result<Socket, (u16, String)> {
        let path = format!("/v1/functions/room{tail}");
        Socket::open(&self.server, &path, &[("x-bunbase-client-key", &self.project.public_key)]).await
    }

    async fn get(&self, tail: &str) -> Value {
        self.caller.get(&format!("/v1/functions/room{tail}")).await.expect(200)
    }

    /// Waits until the handler has seen exactly this.
    async fn saw(&self, wanted: &[&str]) {
        let (begun, mut seen) = (Instant::now(), Vec::new());
        while seen.len() < wanted.len() {
            assert!(begun.elapsed() < PATIENCE, "{seen:?}");
            let events = self.get("/events").await;
            seen.extend(events.as_array().unwrap().iter().map(|event| event.as_str().unwrap().to_owned()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(seen, wanted);
    }
}

#[tokio::test]
async fn messages_pass_both_ways_and_the_handler_may_answer_otherwise() {
    let world = World::start().await;
    let mut socket = world.open("").await.unwrap();
    socket.echoes(Message::text("grüße")).await;
    socket.echoes(Message::binary(vec![0, 255])).await;
    socket.echoes(Message::binary(&b""[..])).await;
    socket.echoes(Message::text("x".repeat(MESSAGE_BYTES_MAX))).await;
    for at in 0..1_000_u32 {
        socket.send(Message::text(at.to_string())).await;
    }
    for at in 0..1_000_u32 {
        assert_eq!(socket.next().await, Some(Message::text(at.to_string())));
    }
    let mut pushed = world.open("/push").await.unwrap();
    assert_eq!(pushed.next().await, Some(Message::text("a")));
    assert_eq!(pushed.next().await, Some(Message::text("b")));

    assert_eq!(world.open("/plain").await.err().unwrap(), (426, "websocket".to_owned()));
    let refused = world.caller.get("/v1/functions/room").await.expect(400);
    assert!(refused.as_str().unwrap().contains("no upgrade to a WebSocket"), "{refused}");

    let runs = format!("/v1/projects/{}/functions/room/runs", world.project.id);
    let begun = Instant::now();
    loop {
        let runs = world.ada.get(&runs).await.expect(200)["runs"].clone();
        let opened = |run: &&Value| run["http_status"] == 101 && run["status"] == "ok";
        if runs.as_array().unwrap().iter().filter(opened).count() == 2 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{runs}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_protocol_is_spoken_that_the_client_offers() {
    let world = World::start().await;
    let path = "/v1/functions/room?protocol=chat.v2";
    let key = ("x-bunbase-client-key", world.project.public_key.as_str());
    // The client refuses an answer without one of those that it offers.
    let offered = ("sec-websocket-protocol", "chat.v1, chat.v2");
    Socket::open(&world.server, path, &[key, offered]).await.unwrap().echoes(Message::text("hi")).await;
    let (status, body) = Socket::open(&world.server, path, &[key]).await.err().unwrap();
    assert!(status == 400 && body.contains("does not offer the protocol chat.v2"), "{status} {body}");
}

#[tokio::test]
async fn each_side_learns_how_the_other_ended_it() {
    let world = World::start().await;
    let mut socket = world.open("").await.unwrap();
    socket.send(Message::text("close")).await;
    assert_eq!(socket.closed().await, (4001, "bye".to_owned()));
    world.saw(&["close 4001 bye", "aborted"]).await;

    let mut socket = world.open("").await.unwrap();
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 4002.into(),
        reason: Utf8Bytes::from_static("enough"),
    };
    socket.send(Message::Close(Some(frame))).await;
    assert_eq!(socket.closed().await, (4002, "enough".to_owned()));
    world.saw(&["close 4002 enough", "aborted"]).await;

    let mut socket = world.open("").await.unwrap();
    socket.echoes(Message::text("hi")).await;
    drop(socket);
    world.saw(&["close 1006", "aborted"]).await;

    // What a listener throws ends its own socket and nothing else.
    let pid = world.get("/state").await[0].clone();
    let mut beside = world.open("").await.unwrap();
    let mut socket = world.open("").await.unwrap();
    socket.send(Message::text("throw")).await;
    assert_eq!(socket.closed().await, (1011, "the function failed".to_owned()));
    world.saw(&["close 1011 the function failed", "aborted"]).await;
    beside.echoes(Message::text("hi")).await;
    assert_eq!(world.get("/state").await[0], pid);
}

#[tokio::test]
async fn a_message_over_the_limit_ends_it_with_1009() {
    let world = World::start().await;
    let mut socket = world.open("").await.unwrap();
    // In one frame, of which the server reads the head only.
    socket.send(Message::binary(vec![0; 4 * MESSAGE_BYTES_MAX])).await;
    assert_eq!(socket.closed().await, (1009, "message_too_large".to_owned()));
    world.saw(&["close 1009 message_too_large", "aborted"]).await;
    let mut socket = world.open("").await.unwrap();
    socket.send(Message::text("large")).await;
    assert_eq!(socket.closed().await, (1009, "message_too_large".to_owned()));
    world.saw(&["close 1009 message_too_large", "aborted"]).await;
}

#[tokio::test]
async fn the_end_of_a_worker_a_version_or_the_server_is_told() {
    let world = World::start().await;
    let mut socket = world.open("").await.unwrap();
    socket.send(Message::text("exit")).await;
    assert_eq!(socket.closed().await, (1011, "function_failed".to_owned()));

    let mut socket = world.open("").await.unwrap();
    socket.echoes(Message::text("hi")).await;
    world.deploy("v2").await;
    assert_eq!(socket.closed().await, (1012, "function_replaced".to_owned()));

    let mut socket = world.open("").await.unwrap();
    socket.echoes(Message::text("hi")).await;
    world.server.signal_stop();
    assert_eq!(socket.closed().await, (1001, "shutting_down".to_owned()));
    let (status, log) = world.server.wait().await;
    assert!(status.success(), "{status}\n{log}");
    drop(world.data);
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_handler_wait() {
    let world = World::start().await;
    let mut socket = world.open("").await.unwrap();
    socket.send(Message::text("flood")).await;
    let begun = Instant::now();
    // Sent are 12 MiB: what neither the network nor a window takes stays with the handler.
    let mut before = Value::Null;
    loop {
        let buffered = world.get("/state").await[1].clone();
        if buffered == before && buffered.as_u64().unwrap() > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{buffered}");
        before = buffered;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before.as_u64().unwrap() > 4 << 20, "{before}");
    for _ in 0..48 {
        assert_eq!(socket.next().await.map(|message| message.len()), Some(256 << 10));
    }
    socket.echoes(Message::text("still there")).await;
    assert_eq!(world.get("/state").await[1], 0);
}

#[tokio::test]
async fn it_is_opened_by_whoever_may_call_and_ends_when_they_may_not() {
    let world = World::start().await;
    let World { server, ada, project, .. } = &world;
    let (status, body) = Socket::open(server, "/v1/functions/room", &[]).await.err().unwrap();
    assert!(status == 401 && body.contains("unauthenticated"), "{status} {body}");
    let malformed = ada.request(reqwest::Method::GET, "/v1/functions/room").header("upgrade", "websocket");
    ada.send(malformed.header("connection", "upgrade")).await.expect_error(400, "invalid_request");

    // As a browser does it, which cannot set headers.
    let by_query = format!("/v1/functions/room/url?key={}&a=1", project.public_key);
    let answer = Socket::open(server, &by_query, &[]).await.err().unwrap();
    assert_eq!(answer, (200, format!("{}/url?a=1", server.url)));
    let secret = format!("/v1/functions/room?key={}", project.secret_key);
    assert_eq!(Socket::open(server, &secret, &[]).await.err().unwrap().0, 401);

    // The cookie of somebody who is signed in does not serve another site's page.
    let invoke = format!("/v1/projects/{}/functions/room/invoke", project.id);
    let cookie = ada.request(reqwest::Method::GET, "/").build().unwrap().headers()["cookie"].clone();
    let cookie = ("cookie", cookie.to_str().unwrap());
    Socket::open(server, &invoke, &[cookie]).await.unwrap().echoes(Message::text("hi")).await;
    let foreign = [cookie, ("origin", "https://evil.test")];
    assert_eq!(Socket::open(server, &invoke, &foreign).await.err().unwrap().0, 403);
    world.saw(&["close 1006", "aborted"]).await;

    let body = json!({ "kind": "secret", "name": "another" });
    let keys = format!("/v1/projects/{}/keys", project.id);
    let made = ada.post(&keys, body).await.expect(201);
    let key = ("x-bunbase-client-key", made["secret"].as_str().unwrap());
    let mut socket = Socket::open(server, "/v1/functions/room", &[key]).await.unwrap();
    let _others = (world.open("").await.unwrap(), world.open("").await.unwrap());
    let (status, body) = world.open("").await.err().unwrap();
    assert!(status == 429 && body.contains("rate_limited"), "{status} {body}");
    let id = made["key"]["id"].as_str().unwrap();
    let begun = Instant::now();
    assert!(ada.delete(&format!("{keys}/{id}")).await.status.is_success());
    assert_eq!(socket.closed().await, (1008, "revoked".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // Its place is free when its handler has learnt of the end, too.
    let mut next = world.open("").await;
    while next.as_ref().is_err_and(|(status, _)| *status == 429) && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
        next = world.open("").await;
    }
    next.unwrap().echoes(Message::text("there is room again")).await;
}

#[tokio::test]
async fn a_function_in_quickjs_is_told_that_it_needs_bun() {
    let world = World::start().await;
    let bundle = base64::engine::general_purpose::STANDARD.encode(ROOM);
    let small = json!({ "name": "small", "runtime": "quickjs", "handler": "default", "bundle": bundle });
    world.ada.post(&format!("/v1/projects/{}/functions", world.project.id), small).await.expect(201);
    let path = format!("/v1/functions/small?key={}", world.project.public_key);
    let (status, body) = Socket::open(&world.server, &path, &[]).await.err().unwrap();
    assert!(status == 400 && body.contains("needs Bun"), "{status} {body}");
}
