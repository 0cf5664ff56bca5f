//! Many open streams of server-sent events: connect them all, publish at a steady rate, and time each event
//! from the publication to its arrival on every stream.

mod publish;

use crate::client::Target;
use crate::proc;
use crate::report::{self, Latencies, Summary};
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections that are opened at the same time.
const OPENING_MAX: usize = 50;
const READ_BYTES: usize = 2048;
/// How long the last events may take after the last publication.
const SETTLE: Duration = Duration::from_secs(2);
/// A live query sends its whole result first.
const SEEN_BYTES_MAX: usize = 8 << 20;
/// With these an event stream, and a live query, say that what follows is new.
const CONNECTED: &[u8] = b"event: connected";
const READY: &[u8] = b"event: ready";
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
    /// Where the streams are; `{n}` stands for the number of the topic
    #[arg(long)]
    path: String,
    /// Where events are published; `{n}` as in the path
    #[arg(long)]
    publish: String,
    /// JSON with which each stream is asked for by POST, `{n}` as in the path; without it they are GET
    #[arg(long, value_name = "JSON")]
    ask: Option<String>,
    /// Streams
    #[arg(long)]
    connections: usize,
    /// Topics that the streams are spread over
    #[arg(long, default_value_t = 1)]
    topics: usize,
    /// Events a second, to one topic after the other; each goes to every stream of its topic
    #[arg(long)]
    rate: f64,
    /// Seconds of publishing
    #[arg(long)]
    seconds: f64,
    /// The server's process, for its memory and CPU time
    #[arg(long)]
    pid: u32,
}

#[derive(Debug, Serialize)]
struct Report {
    connections: usize,
    topics: usize,
    connected_seconds: f64,
    server_rss_before: u64,
    server_rss: u64,
    published: u64,
    delivered: u64,
    expected: u64,
    delivered_rate: f64,
    /// CPU time for each delivery, of the server and of this generator.
    server_cpu_us: f64,
    generator_cpu_us: f64,
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
    let server_rss_before = proc::resident_bytes(args.pid)?;
    let shared = Arc::new(Shared {
        began: Instant::now(),
        delivered: AtomicU64::new(0),
        latencies: Mutex::new(Latencies::new()?),
        opening: Semaphore::new(OPENING_MAX),
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut opened = JoinSet::new();
    for stream in 0..args.connections {
        let head = head(&args, stream % args.topics);
        let begun = if args.ask.is_some() { READY } else { CONNECTED };
        opened.spawn(open(args.target.address.clone(), (head, begun), shared.clone()));
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
    let server_rss = proc::resident_bytes(args.pid)?;
    let cpu = || anyhow::Ok((proc::cpu_us(args.pid)?, proc::cpu_us(std::process::id())?));
    let (began, before) = (Instant::now(), cpu()?);
    let published = publish::run(&args, shared.began).await?;
    let seconds = began.elapsed().as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    let after = cpu()?;
    stop.send_replace(true);
    while let Some(read) = reading.join_next().await {
        read??;
    }
    let delivered = shared.delivered.load(Ordering::Relaxed);
    report::print(&Report {
        connections: args.connections,
        topics: args.topics,
        connected_seconds,
        server_rss_before,
        server_rss,
        published: published.events,
        delivered,
        expected: published.deliveries,
        delivered_rate: delivered as f64 / seconds,
        server_cpu_us: (after.0 - before.0) / delivered as f64,
        generator_cpu_us: (after.1 - before.1) / delivered as f64,
        latency: shared.latencies.lock().unwrap_or_else(PoisonError::into_inner).summary(),
    })
}

/// The request of a stream.
fn head(args: &SseArgs, topic: usize) -> String {
    let topic = topic.to_string();
    let path = args.path.replace("{n}", &topic);
    let (host, key) = (&args.target.address, &args.key);
    let common = format!("Host: {host}\r\n{key}\r\nAccept: text/event-stream\r\n");
    let Some(ask) = &args.ask else { return format!("GET {path} HTTP/1.1\r\n{common}\r\n") };
    let body = ask.replace("{n}", &topic);
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\n{common}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Opens one stream and reads until it says that what follows is new.
async fn open(
    address: String,
    (head, begun): (String, &[u8]),
    shared: Arc<Shared>,
) -> anyhow::Result<TcpStream> {
    let _turn = shared.opening.acquire().await?;
    let mut stream = TcpStream::connect(&address).await.context("a stream cannot connect")?;
    stream.write_all(head.as_bytes()).await?;
    let mut seen = Vec::with_capacity(READ_BYTES);
    while !seen.windows(begun.len()).any(|part| part == begun) {
        if stream.read_buf(&mut seen).await? == 0 || seen.len() > SEEN_BYTES_MAX {
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
