//! How many events the broker hands out over its socket: one publisher, some subscribers, 128 B each.
//! Readers count bytes only.
//! `cargo run --release -p buncast --example fanout [subscribers] [events]`

#![allow(clippy::unwrap_used)] // A measurement that cannot go on ends.

use buncast::{BuncastConfig, BuncastDeps, BuncastService};
use service_kit::drain::Drain;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TOPIC: &str = "bench";
const PAYLOAD_BYTES: usize = 128;
/// A message on the wire: length, topic length, topic, payload length, payload.
const MESSAGE_BYTES: usize = 10 + TOPIC.len() + PAYLOAD_BYTES;

fn request(id: u64, command: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = (13 + payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&id.to_le_bytes());
    frame.push(command);
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn topic() -> Vec<u8> {
    let mut bytes = (TOPIC.len() as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(TOPIC.as_bytes());
    bytes
}

/// Subscribes, then reads until everything came or the socket ends; says how many messages that were.
fn subscriber(path: PathBuf, events: usize) -> std::thread::JoinHandle<usize> {
    let mut socket = UnixStream::connect(path).unwrap();
    socket.write_all(&request(1, 5, &topic())).unwrap();
    let mut answer = [0; 17];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(answer[12], 0, "the subscription was refused");
    // Where events were dropped, the rest does not come.
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        let mut bytes = 0;
        while bytes < events * MESSAGE_BYTES {
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => bytes += read,
            }
        }
        bytes / MESSAGE_BYTES
    })
}

fn publish(path: &Path, events: usize) {
    let mut socket = UnixStream::connect(path).unwrap();
    let mut payload = topic();
    payload.extend_from_slice(&(PAYLOAD_BYTES as u32).to_le_bytes());
    payload.extend_from_slice(&[b'x'; PAYLOAD_BYTES]);
    let batch = 512;
    let frames = request(0, 6, &payload).repeat(batch);
    for _ in 0..events / batch {
        socket.write_all(&frames).unwrap();
    }
    socket.write_all(&request(1, 4, &payload).repeat(events % batch)).unwrap();
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let subscribers = arguments.next().unwrap_or(10);
    let events = arguments.next().unwrap_or(2_000_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.sock");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = BuncastConfig { socket: Some(path.clone()), ..BuncastConfig::default() };
    let deps = BuncastDeps { data_dir: directory.path().to_owned(), drain: Drain::new() };
    let service = runtime.block_on(BuncastService::start(config, deps)).unwrap();
    let readers: Vec<_> = (0..subscribers).map(|_| subscriber(path.clone(), events)).collect();
    let began = Instant::now();
    publish(&path, events);
    let published = began.elapsed();
    let delivered: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{subscribers} subscribers: {events} events published in {published:.2?}, {delivered} of {} delivered, \
         {:.2} M deliveries/s",
        events * subscribers,
        delivered as f64 / seconds / 1e6
    );
    runtime.block_on(service.shutdown());
}
