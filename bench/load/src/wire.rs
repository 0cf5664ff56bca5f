//! Three brokers as bytes: how to connect, subscribe and publish, and how many bytes one delivery has. Each
//! protocol is spoken in its cheapest form, so that the generator costs the same on every side.
//!
//! NATS: docs.nats.io/reference/reference-protocols/nats-protocol. Redis: redis.io/docs/latest/develop/reference/protocol-spec.
//! BunBase: docs/buncast-protocol.md.

use anyhow::{Context as _, bail, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// The topic of every benchmark.
pub(crate) const TOPIC: &str = "bench";

/// A broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Broker {
    Bunbase,
    Nats,
    Redis,
}

/// A connection to a broker.
pub(crate) trait Socket: Read + Write + Send {
    fn both(&self) -> std::io::Result<Box<dyn Socket>>;
}

impl Socket for TcpStream {
    fn both(&self) -> std::io::Result<Box<dyn Socket>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl Socket for UnixStream {
    fn both(&self) -> std::io::Result<Box<dyn Socket>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl Broker {
    /// Connects to `host:port`, or to a socket's path, and says what the protocol wants said first.
    pub(crate) fn connect(self, address: &str) -> anyhow::Result<Box<dyn Socket>> {
        let shown = || format!("cannot connect to {address}");
        let mut socket: Box<dyn Socket> = if address.starts_with('/') {
            Box::new(UnixStream::connect(address).with_context(shown)?)
        } else {
            let stream = TcpStream::connect(address).with_context(shown)?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        };
        if self == Self::Nats {
            read_line(&mut *socket)?;
            socket
                .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":false}\r\nPING\r\n")?;
            ensure!(read_line(&mut *socket)?.starts_with("PONG"), "NATS did not take the connection");
        }
        Ok(socket)
    }

    /// Subscribes to the topic; deliveries follow.
    pub(crate) fn subscribe(self, socket: &mut dyn Socket) -> anyhow::Result<()> {
        match self {
            Self::Bunbase => {
                socket.write_all(&request(1, 5, &topic()))?;
                expect_answer(socket)
            }
            Self::Nats => {
                socket.write_all(format!("SUB {TOPIC} 1\r\nPING\r\n").as_bytes())?;
                ensure!(read_line(socket)?.starts_with("PONG"), "NATS did not take the subscription");
                Ok(())
            }
            Self::Redis => {
                socket.write_all(&resp(&[b"SUBSCRIBE", TOPIC.as_bytes()]))?;
                for _ in 0..6 {
                    read_line(socket)?;
                }
                Ok(())
            }
        }
    }

    /// One publication whose answer, if there is one, need not be waited for.
    pub(crate) fn publication(self, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Bunbase => request(0, 6, &event(payload)),
            Self::Nats => nats_publication(TOPIC, None, payload),
            Self::Redis => resp(&[b"PUBLISH", TOPIC.as_bytes(), payload]),
        }
    }

    /// Bytes of one delivery.
    pub(crate) fn delivery_bytes(self, payload: usize) -> usize {
        let digits = payload.to_string().len();
        match self {
            Self::Bunbase => 10 + TOPIC.len() + payload,
            Self::Nats => "MSG  1 \r\n\r\n".len() + TOPIC.len() + digits + payload,
            Self::Redis => {
                "*3\r\n$7\r\nmessage\r\n$5\r\n\r\n$\r\n\r\n".len() + TOPIC.len() + digits + payload
            }
        }
    }

    /// Makes the topic one that keeps its events on disk.
    pub(crate) fn make_durable(self, socket: &mut dyn Socket) -> anyhow::Result<()> {
        match self {
            Self::Bunbase => {
                let mut payload = topic();
                payload.extend_from_slice(&3_600_u64.to_le_bytes());
                payload.extend_from_slice(&(1_u64 << 30).to_le_bytes());
                socket.write_all(&request(1, 1, &payload))?;
                expect_answer(socket)
            }
            Self::Nats => {
                let stream = format!(
                    "{{\"name\":\"{TOPIC}\",\"subjects\":[\"{TOPIC}\"],\"storage\":\"file\",\"max_bytes\":1073741824}}"
                );
                let publication = nats_publication(
                    &format!("$JS.API.STREAM.CREATE.{TOPIC}"),
                    Some("made"),
                    stream.as_bytes(),
                );
                socket.write_all(b"SUB made 9\r\n")?;
                socket.write_all(&publication)?;
                read_line(socket)?;
                let answer = read_line(socket)?;
                ensure!(!answer.contains("\"error\""), "NATS made no stream: {answer}");
                Ok(())
            }
            Self::Redis => Ok(()),
        }
    }

    /// One durable publication, whose answer says that it is kept.
    pub(crate) fn durable_publication(self, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Bunbase => request(1, 4, &event(payload)),
            Self::Nats => nats_publication(TOPIC, Some("kept"), payload),
            Self::Redis => resp(&[b"XADD", TOPIC.as_bytes(), b"*", b"e", payload]),
        }
    }

    /// What a connection says before its first durable publication.
    pub(crate) fn begin_durable(self, socket: &mut dyn Socket, connection: usize) -> anyhow::Result<Vec<u8>> {
        if self == Self::Nats {
            let inbox = format!("kept.{connection}");
            socket.write_all(format!("SUB {inbox} 1\r\n").as_bytes())?;
            return Ok(inbox.into_bytes());
        }
        Ok(Vec::new())
    }

    /// Reads the answer to a durable publication.
    pub(crate) fn read_kept(self, socket: &mut dyn Socket) -> anyhow::Result<()> {
        match self {
            Self::Bunbase => expect_answer(socket),
            Self::Nats => {
                let mut head = read_line(socket)?;
                while head.starts_with("PING") {
                    socket.write_all(b"PONG\r\n")?;
                    head = read_line(socket)?;
                }
                let answer = read_line(socket)?;
                ensure!(!answer.contains("\"error\""), "NATS kept nothing: {head} {answer}");
                Ok(())
            }
            Self::Redis => {
                let size = read_line(socket)?;
                ensure!(size.starts_with('$'), "Redis kept nothing: {size}");
                read_line(socket).map(drop)
            }
        }
    }
}

/// A NATS publication; `reply` is where the answer goes.
pub(crate) fn nats_publication(subject: &str, reply: Option<&str>, payload: &[u8]) -> Vec<u8> {
    let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
    let mut bytes = format!("PUB {subject} {reply}{}\r\n", payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn resp(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

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

fn event(payload: &[u8]) -> Vec<u8> {
    let mut bytes = topic();
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn expect_answer(socket: &mut dyn Socket) -> anyhow::Result<()> {
    let mut head = [0; 17];
    socket.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[13], head[14], head[15], head[16]]) as usize;
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload)?;
    if head[12] != 0 {
        bail!("the broker refused: {}", String::from_utf8_lossy(&payload));
    }
    Ok(())
}

/// One line, byte by byte: nothing behind it may be taken.
fn read_line(socket: &mut dyn Socket) -> anyhow::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        socket.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_has_as_many_bytes_as_it_has_on_the_wire() {
        let payload = "x".repeat(128);
        let nats = format!("MSG {TOPIC} 1 128\r\n{payload}\r\n");
        let redis = format!("*3\r\n$7\r\nmessage\r\n$5\r\n{TOPIC}\r\n$128\r\n{payload}\r\n");
        assert_eq!(Broker::Nats.delivery_bytes(128), nats.len());
        assert_eq!(Broker::Redis.delivery_bytes(128), redis.len());
        assert_eq!(Broker::Bunbase.delivery_bytes(128), 4 + 2 + TOPIC.len() + 4 + 128);
    }
}
