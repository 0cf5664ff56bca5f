//! The messages of a subscription: many per system call, written from where all subscribers share them.

use crate::socket::frame;
use crate::subscription::{Ended, Item, Subscription};
use bytes::{Buf, Bytes, BytesMut};
use serde_json::json;
use service_kit::error::Classify as _;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// How much is gathered for one write.
const WRITE_BYTES: usize = 1 << 20;
/// Smaller pieces are copied together.
const PIECE_BYTES: usize = 8 << 10;

/// Writes messages until either side ends. `notices`: the subscriber is also told of what is missing.
pub(crate) async fn run(
    subscription: Subscription,
    stream: &mut UnixStream,
    notices: bool,
) -> io::Result<()> {
    let (mut input, mut output) = stream.split();
    let mut outgoing = Outgoing { notices, next: None, pieces: Pieces::default() };
    let mut subscription = subscription;
    let mut ignored = [0; 256];
    loop {
        tokio::select! {
            item = subscription.next() => match item {
                Ok(item) => outgoing.add(item),
                Err(ended) => {
                    outgoing.end(&ended);
                    output.write_all_buf(&mut outgoing.pieces.close()).await?;
                    return output.shutdown().await;
                }
            },
            read = input.read(&mut ignored) => if read? == 0 { return Ok(()) },
        }
        while outgoing.pieces.bytes < WRITE_BYTES
            && let Some(item) = subscription.try_next()
        {
            outgoing.add(item);
        }
        output.write_all_buf(&mut outgoing.pieces.close()).await?;
    }
}

/// What is gathered for the next write.
struct Outgoing {
    notices: bool,
    /// The offset that the subscriber expects of the next message.
    next: Option<u64>,
    pieces: Pieces,
}

impl Outgoing {
    fn add(&mut self, item: Item) {
        match item {
            Item::Events(part) => {
                if let Some(offset) = part.first_offset().filter(|_| self.notices) {
                    if self.next != Some(offset) {
                        self.notice(&json!({ "offset": offset }));
                    }
                    self.next = Some(offset + part.len() as u64);
                }
                self.pieces.push(part.frames());
            }
            Item::Missed(count) => self.notice(&json!({ "missed": count })),
            Item::Resync => self.notice(&json!({ "resync": true })),
        }
    }

    fn end(&mut self, ended: &Ended) {
        let code = match ended {
            Ended::Removed => "removed",
            Ended::ShuttingDown => "shutting_down",
            Ended::Failed(error) => error.code().as_str(),
        };
        self.notice(&json!({ "error": ended.to_string(), "code": code }));
    }

    fn notice(&mut self, text: &serde_json::Value) {
        if self.notices {
            self.pieces.push(frame::notice(text).into());
        }
    }
}

/// Bytes in pieces; small ones next to each other become one.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    small: BytesMut,
    bytes: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        if piece.len() < PIECE_BYTES {
            self.small.extend_from_slice(&piece);
        } else {
            self.gather();
            self.pieces.push_back(piece);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(self.small.split().freeze());
        }
    }

    /// Everything that was pushed, to be written.
    fn close(&mut self) -> Gathered {
        self.gather();
        self.bytes = 0;
        Gathered(std::mem::take(&mut self.pieces))
    }
}

/// Pieces that are written one after the other, many in one system call.
struct Gathered(VecDeque<Bytes>);

impl Buf for Gathered {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0);
        filled.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.0.front_mut().filter(|_| count > 0) {
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if front.is_empty() {
                self.0.pop_front();
            }
        }
    }
}
