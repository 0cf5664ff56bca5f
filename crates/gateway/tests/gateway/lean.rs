//! The short way of calls of functions answers as hyper does: each exchange happens on a fresh connection, and on
//! one that hyper has, because its first request was none of a function.

use crate::support::{parts, start};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gateway::{Answer, Front, GatewayParts, RequestBody};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use service_kit::drain::Drain;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Answers with what it got; some paths have answers of their own.
#[derive(Default)]
struct Echo {
    /// Calls that wait, to be seen by the test.
    waiting: Arc<AtomicUsize>,
}

impl Front for Echo {
    fn claims(&self, path: &str) -> bool {
        path.starts_with("/v1/functions/")
    }

    fn claims_as_it_is(&self, host: &str, _path: &str) -> bool {
        host == "own.example"
    }

    fn call(&self, request: Request<RequestBody>) -> Answer {
        let waiting = self.waiting.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            match path.trim_start_matches("/v1/functions/") {
                "nothing" => status(StatusCode::NO_CONTENT, Body::empty()),
                "unchanged" => status(StatusCode::NOT_MODIFIED, Body::empty()),
                "empty" => status(StatusCode::OK, Body::empty()),
                "large" => status(StatusCode::OK, Body::from(vec![b'x'; 1 << 20])),
                "pieces" => status(StatusCode::OK, pieces(&["one", "", "two"])),
                "declared" => {
                    let mut response = status(StatusCode::OK, pieces(&["one", "two"]));
                    response.headers_mut().insert("content-length", "6".parse().unwrap());
                    response
                }
                "misdeclared" => {
                    let mut response = status(StatusCode::OK, pieces(&["one", "two"]));
                    response.headers_mut().insert("content-length", "6, 7".parse().unwrap());
                    response
                }
                "broken" => {
                    let items = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("broke"))];
                    let later = stream::iter(items).then(|item| async {
                        tokio::task::yield_now().await;
                        item
                    });
                    status(StatusCode::OK, Body::from_stream(later))
                }
                "cookies" => {
                    let mut response = status(StatusCode::IM_A_TEAPOT, Body::from("short"));
                    for cookie in ["a=1", "b=2"] {
                        response.headers_mut().append("set-cookie", cookie.parse().unwrap());
                    }
                    response
                }
                "waits" => {
                    let _counted = Counted::new(&waiting);
                    std::future::pending().await
                }
                _ => echo(request).await,
            }
        })
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn status(status: StatusCode, body: Body) -> Response<Body> {
    Response::builder().status(status).header("x-kind", "a").body(body).unwrap()
}

fn pieces(pieces: &'static [&'static str]) -> Body {
    Body::from_stream(stream::iter(pieces).then(|piece| async move {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes()))
    }))
}

async fn echo(request: Request<RequestBody>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return status(StatusCode::BAD_REQUEST, Body::from("the body broke off")),
    };
    let mut text = format!("{} {}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    status(
        StatusCode::OK,
        Body::from(format!("{text}{} bytes\n{}", body.len(), String::from_utf8_lossy(&body))),
    )
}

async fn gateway() -> SocketAddr {
    start(GatewayParts { front: Some(Arc::new(Echo::default())), ..parts() }).await
}

/// The head of a call, without the empty line.
fn head(path: &str) -> String {
    format!("GET /v1/functions/{path} HTTP/1.1\r\nHost: a\r\n")
}

async fn lean(gateway: SocketAddr) -> TcpStream {
    TcpStream::connect(gateway).await.unwrap()
}

/// A connection that hyper has.
async fn hypers(gateway: SocketAddr) -> TcpStream {
    let mut stream = lean(gateway).await;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    stream
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        text.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

/// Sends the pieces, then a last request that closes, and returns everything that came, without what differs
/// between any two answers. Header lines are sorted: their order is nobody's promise.
async fn exchange(mut stream: TcpStream, pieces: &[Vec<u8>]) -> String {
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        for piece in pieces {
            if writer.write_all(piece).await.is_err() {
                return;
            }
            // So that it arrives as a piece of its own.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = writer.write_all(format!("{}Connection: close\r\n\r\n", head("last")).as_bytes()).await;
    };
    let mut text = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), reader.read_to_end(&mut text));
    let (read, ()) = tokio::join!(reading, writing);
    // A reset after the answer is an end, too.
    let _ = read.expect("the connection ends");
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut blocks: Vec<String> = Vec::new();
    for block in text.split("\r\n\r\n") {
        let mut lines: Vec<&str> = block
            .split("\r\n")
            .filter(|line| !line.starts_with("date: ") && !line.starts_with("x-request-id: "))
            .collect();
        if let Some(first) = lines.iter().position(|line| line.contains("HTTP/1.1 ")) {
            lines[first + 1..].sort_unstable();
        }
        blocks.push(lines.join("\n"));
    }
    without_request_ids(&blocks.join("\n\n"))
}

/// Errors carry the id of the request.
fn without_request_ids(text: &str) -> String {
    let mut parts = text.split("\"request_id\":\"");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        left += part.split_once('"').map_or(part, |(_, rest)| rest);
    }
    left
}

#[tokio::test]
async fn every_exchange_is_as_hyper_has_it() {
    let post = |rest: &str| format!("POST /v1/functions/echo HTTP/1.1\r\nHost: a\r\n{rest}");
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let whole: Vec<String> = vec![
        // Plain ones.
        format!("{}\r\n", head("echo/a%20b?c=d&e")),
        format!("{}Connection: keep-alive\r\nX-Two: 1\r\nX-Two: 2\r\nx-latin: \u{e9}\r\n\r\n", head("echo")),
        post("Content-Length: 5\r\n\r\nhello"),
        post("Content-Length: 0\r\n\r\n"),
        format!("{}\r\n{}\r\n{}\r\n", head("one"), head("two"), head("three")),
        "DELETE /v1/functions/echo HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "PURGE /v1/functions/echo HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /anything?x HTTP/1.1\r\nHost: own.example\r\n\r\n".to_owned(),
        "GET /functions/alias HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("{}X-Bundoc-Admin: 1\r\nX-Request-Id: mine\r\n\r\n", head("echo")),
        // Answers of every kind.
        format!("{}\r\n", head("nothing")),
        format!("{}\r\n", head("unchanged")),
        format!("{}\r\n", head("empty")),
        format!("{}\r\n", head("large")),
        format!("{}\r\n", head("pieces")),
        format!("{}\r\n", head("declared")),
        format!("{}\r\n", head("cookies")),
        // Less plain ones.
        "HEAD /v1/functions/cookies HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "OPTIONS /v1/functions/echo HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n\r\n".to_owned(),
        "GET /v1/functions/echo HTTP/1.0\r\nHost: a\r\n\r\n".to_owned(),
        "GET http://a/v1/functions/echo HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/functions/echo#here HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/functions/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("\r\n{}\r\n", head("echo")),
        format!("{}\r\n", head("echo")).replace("\r\n", "\n"),
        post("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        post("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        post(&format!("Content-Length: {}\r\n\r\n{}", 70_000, "y".repeat(70_000))),
        format!("{}{}\r\n", head("echo"), many(63)),
        format!("{}{}\r\n", head("echo"), many(64)),
        format!("{}{}\r\n", head("echo"), many(120)),
        format!("{}x-long: {}\r\n\r\n", head("echo"), "z".repeat(70_000)),
        format!("{}Connection: x-private\r\nX-Private: 1\r\n\r\n", head("echo")),
        format!("{}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", head("echo")),
        // What another server might read in another way.
        post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        post("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        post("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        post("Content-Length: 5, 5\r\n\r\nhello"),
        post("Content-Length: +5\r\n\r\nhello"),
        post("Content-Length: 0x5\r\n\r\nhello"),
        post("Content-Length: -1\r\n\r\n"),
        post("Content-Length: \r\n\r\n"),
        post("Content-Length: 99999999999999999999\r\n\r\n"),
        post("Content-Length : 5\r\n\r\nhello"),
        post("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        post("Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n"),
        post("X: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
        post("X: a\rTransfer-Encoding: chunked\r\n\r\n"),
        post("X: a\0b\r\n\r\n"),
        "GET /v1/functions/echo HTTP/1.1\r\n\r\n".to_owned(),
        "GET /v1/functions/echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET /v1/functions/echo HTTP/1.1\r\nHost: a\r\nHost: own.example\r\n\r\n".to_owned(),
        "GET  /v1/functions/echo HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/functions/echo HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/functions/echo\tHTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/functions/a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
    ];
    let gateway = gateway().await;
    for text in whole {
        let bytes = vec![text.clone().into_bytes()];
        let (ours, theirs) = tokio::join!(async { exchange(lean(gateway).await, &bytes).await }, async {
            exchange(hypers(gateway).await, &bytes).await
        });
        assert_eq!(ours, theirs, "{}", text.chars().take(300).collect::<String>());
    }
}

#[tokio::test]
async fn requests_in_pieces_are_whole_ones() {
    let gateway = gateway().await;
    let text = "POST /v1/functions/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789";
    for cut in [1, 20, text.len() - 14, text.len() - 10, text.len() - 3] {
        let pieces: Vec<Vec<u8>> = [&text[..cut], &text[cut..]].map(|piece| piece.as_bytes().to_vec()).into();
        let ours = exchange(lean(gateway).await, &pieces).await;
        assert_eq!(ours, exchange(hypers(gateway).await, &pieces).await, "cut at {cut}");
        assert!(ours.contains("10 bytes\n0123456789"), "{ours}");
    }
}

#[tokio::test]
async fn a_length_that_is_none_is_not_sent_beside_chunks() {
    let mut stream = lean(gateway().await).await;
    stream.write_all(format!("{}\r\n", head("misdeclared")).as_bytes()).await.unwrap();
    let text = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(
        !text.contains("content-length") && text.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{text}"
    );
}

/// A body that trickles has as long as a whole request, and then hyper has the connection with its own limits.
#[tokio::test]
async fn a_body_that_trickles_goes_to_hyper() {
    let mut impatient = GatewayParts { front: Some(Arc::new(Echo::default())), ..parts() };
    impatient.config.header_timeout_ms = 100;
    let mut stream = lean(start(impatient).await).await;
    let head = "POST /v1/functions/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..20 {
        stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    assert!(read_until(&mut stream, &"x".repeat(20)).await.contains("20 bytes"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_its_connection() {
    let gateway = gateway().await;
    for mut stream in [lean(gateway).await, hypers(gateway).await] {
        stream.write_all(format!("{}\r\n", head("broken")).as_bytes()).await.unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with("\r\n4\r\nhalf\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_call_with_it() {
    let front = Echo::default();
    let waiting = front.waiting.clone();
    let gateway = start(GatewayParts { front: Some(Arc::new(front)), ..parts() }).await;
    let until = async |count| {
        for _ in 0..2_000 {
            if waiting.load(Ordering::SeqCst) == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{count} calls wait, not {}", waiting.load(Ordering::SeqCst));
    };
    for mut stream in [lean(gateway).await, hypers(gateway).await] {
        stream.write_all(format!("{}\r\n", head("waits")).as_bytes()).await.unwrap();
        until(1).await;
        drop(stream);
        until(0).await;
    }
}

#[tokio::test]
async fn idle_connections_end_with_the_drain_and_after_their_time() {
    let drain = Drain::new();
    let front: Option<Arc<dyn Front>> = Some(Arc::new(Echo::default()));
    let gateway = start(GatewayParts { front: front.clone(), drain: drain.clone(), ..parts() }).await;
    let mut idle = lean(gateway).await;
    idle.write_all(format!("{}\r\n", head("cookies")).as_bytes()).await.unwrap();
    read_until(&mut idle, "short").await;
    drain.start();
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0);

    let mut impatient = GatewayParts { front, ..parts() };
    impatient.config.header_timeout_ms = 50;
    let mut idle = lean(start(impatient).await).await;
    for _ in 0..3 {
        idle.write_all(format!("{}\r\n", head("cookies")).as_bytes()).await.unwrap();
        read_until(&mut idle, "short").await;
    }
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0);
}
