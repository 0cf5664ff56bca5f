//! Many open streams of server-sent events: connect them all, publish at a steady rate, and time each event
//! from the publication to its arrival on every stream.

use crate::client::{Ask, Connection, Target};
use crate::report::{self, Latencies, Summary};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections that are opened at the same time.
const OPENING_MAX: usize = 200;
const READ_BYTES: usize = 2048;
/// How long the last events may take after the last publication.
const SETTLE: Duration = Duration::from_secs(2);
/// Stands in each event in front of its time.
const MARK: &[u8] = b"\"sent_us\":";

/// Arguments of `bench-load sse`.
#[derive(Debug, clap::Args)]
pub(crate) struct SseArgs {
    #[command(flatten)]
    target: Target,
    /// Header of the streams
    #[arg(long, value_name = "NAME: VALUE")]
    key: String,
    /// Where the streams are
    #[arg(long)]
    path: String,
    /// Where events are published
    #[arg(long)]
    publish: String,
    /// Streams
    #[arg(long)]
    connections: usize,
    /// Events a second; each goes to every stream
    #[arg(long)]
    rate: f64,
    /// Seconds of publishing
    #[arg(long)]
    seconds: f64,
    /// Process whose memory is read when all streams are open
    #[arg(long)]
    pid: u32,
}

#[derive(Debug, Serialize)]
struct Report {
    connections: usize,
    connected_seconds: f64,
    server_rss_before: u64,
    server_rss: u64,
    published: u64,
    delivered: u64,
    expected: u64,
    delivered_rate: f64,
    #[serde(flatten)]
    latency: Summary,
}

struct Shared {
    began: Instant,
    delivered: AtomicU64,
    /// One for all: a histogram for each stream would take gigabytes.
    latencies: Mutex<Latencies>,
    opening: Semaphore,
}

/// Runs the load and prints the report.
pub(crate) async fn run(args: SseArgs) -> anyhow::Result<()> {
    let server_rss_before = resident_bytes(args.pid)?;
    let shared = Arc::new(Shared {
        began: Instant::now(),
        delivered: AtomicU64::new(0),
        latencies: Mutex::new(Latencies::new()?),
        opening: Semaphore::new(OPENING_MAX),
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut opened = JoinSet::new();
    let head: Arc<str> = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\nAccept: text/event-stream\r\n\r\n",
        args.path, args.target.address, args.key
    )
    .into();
    for _ in 0..args.connections {
        opened.spawn(open(args.target.address.clone(), head.clone(), shared.clone()));
    }
    let mut streams = Vec::with_capacity(args.connections);
    while let Some(stream) = opened.join_next().await {
        streams.push(stream??);
    }
    let connected_seconds = shared.began.elapsed().as_secs_f64();
    let mut reading = JoinSet::new();
    for stream in streams {
        reading.spawn(receive(stream, shared.clone(), stopped.clone()));
    }
    let server_rss = resident_bytes(args.pid)?;
    let began = Instant::now();
    let published = publish(&args, &shared).await?;
    let seconds = began.elapsed().as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    stop.send_replace(true);
    while let Some(read) = reading.join_next().await {
        read??;
    }
    let delivered = shared.delivered.load(Ordering::Relaxed);
    report::print(&Report {
        connections: args.connections,
        connected_seconds,
        server_rss_before,
        server_rss,
        published,
        delivered,
        expected: published * args.connections as u64,
        delivered_rate: delivered as f64 / seconds,
        latency: shared.latencies.lock().unwrap_or_else(PoisonError::into_inner).summary(),
    })
}

/// Opens one stream and reads until it says that it is connected.
async fn open(address: String, head: Arc<str>, shared: Arc<Shared>) -> anyhow::Result<TcpStream> {
    let _turn = shared.opening.acquire().await?;
    let mut stream = TcpStream::connect(&address).await.context("a stream cannot connect")?;
    stream.write_all(head.as_bytes()).await?;
    let mut seen = Vec::with_capacity(READ_BYTES);
    while !seen.windows(16).any(|part| part == b"event: connected") {
        if stream.read_buf(&mut seen).await? == 0 || seen.len() > 16 * READ_BYTES {
            bail!("a stream was refused: {}", String::from_utf8_lossy(&seen));
        }
    }
    Ok(stream)
}

async fn receive(
    mut stream: TcpStream,
    shared: Arc<Shared>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    loop {
        let read = tokio::select! {
            read = stream.read_buf(&mut buffer) => read?,
            _ = stopped.changed() => return Ok(()),
        };
        if read == 0 {
            bail!("a stream ended");
        }
        let now = u64::try_from(shared.began.elapsed().as_micros())?;
        while let Some((sent, rest)) = next_event(&buffer) {
            let mut latencies = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.record(Duration::from_micros(now.saturating_sub(sent)));
            drop(latencies);
            shared.delivered.fetch_add(1, Ordering::Relaxed);
            buffer.drain(..rest);
        }
    }
}

/// The time in the first event that is whole, and where the next begins.
fn next_event(buffer: &[u8]) -> Option<(u64, usize)> {
    let at = buffer.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    let digits = buffer[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = at + buffer[at..].windows(2).position(|part| part == b"\n\n")? + 2;
    let sent = std::str::from_utf8(&buffer[at..at + digits]).ok()?.parse().ok()?;
    Some((sent, end))
}

async fn publish(args: &SseArgs, shared: &Shared) -> anyhow::Result<u64> {
    let mut connection = Connection::open(&args.target).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / args.rate));
    let (until, mut published) = (Instant::now() + Duration::from_secs_f64(args.seconds), 0);
    while Instant::now() < until {
        ticks.tick().await;
        let sent = shared.began.elapsed().as_micros();
        let body = format!("{{\"sent_us\":{sent},\"fill\":\"{}\"}}", "x".repeat(96));
        let ask = Ask { method: Method::POST, path: args.publish.clone(), body: Bytes::from(body) };
        connection.expect_success(ask).await?;
        published += 1;
    }
    Ok(published)
}

fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_timed_when_it_is_whole() {
        let text = b"event: message\ndata: {\"data\":{\"sent_us\":42,\"fill\":\"x\"}}\n\nrest";
        assert_eq!(next_event(text), Some((42, text.len() - 4)));
        assert_eq!(next_event(&text[..text.len() - 5]), None);
    }
}
