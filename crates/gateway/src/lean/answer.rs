//! Answers as bytes (RFC 9112 §6): with their length where it is known, else in chunks.

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::response::Parts;
use http_body::Body as _;
use std::cell::RefCell;
use std::io::{self, Write as _};
use std::time::SystemTime;

/// How the body of an answer is written.
pub(super) enum Encoder {
    /// So many bytes are left.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunks,
    /// Nothing comes any more.
    Done,
}

impl Encoder {
    /// Writes the head.
    pub(super) fn begin(out: &mut Vec<u8>, head: &Parts, body: &Body, stays_open: bool) -> Self {
        let status = head.status;
        let reason = status.canonical_reason().unwrap_or_default();
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", status.as_str());
        // The length is written below, once, and only where it is one.
        for (name, value) in head.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH) {
            field(out, name.as_str().as_bytes(), value.as_bytes());
        }
        if !head.headers.contains_key(header::DATE) {
            with_date(|date| field(out, b"date", date));
        }
        if !stays_open {
            field(out, b"connection", b"close");
        }
        let encoder = if matches!(status.as_u16(), 100..=199 | 204 | 304) {
            Self::Done
        } else if let Some(bytes) = declared(&head.headers).or(body.size_hint().exact()) {
            let _ = write!(out, "content-length: {bytes}\r\n");
            Self::Length(bytes)
        } else {
            field(out, b"transfer-encoding", b"chunked");
            Self::Chunks
        };
        out.extend_from_slice(b"\r\n");
        if matches!(encoder, Self::Length(0)) { Self::Done } else { encoder }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Writes a piece of the body.
    pub(super) fn data(&mut self, out: &mut Vec<u8>, data: &[u8]) -> io::Result<()> {
        match self {
            _ if data.is_empty() => {}
            Self::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or_else(|| broken("is longer"))?;
                out.extend_from_slice(data);
                if *left == 0 {
                    *self = Self::Done;
                }
            }
            Self::Chunks => {
                let _ = write!(out, "{:x}\r\n", data.len());
                out.extend_from_slice(data);
                out.extend_from_slice(b"\r\n");
            }
            Self::Done => {}
        }
        Ok(())
    }

    /// The body is over.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Length(_) => return Err(broken("is shorter")),
            Self::Chunks => out.extend_from_slice(b"0\r\n\r\n"),
            Self::Done => {}
        }
        *self = Self::Done;
        Ok(())
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn broken(how: &str) -> io::Error {
    io::Error::other(format!("an answer {how} than its Content-Length says"))
}

/// The length that the answer itself declares.
fn declared(headers: &HeaderMap) -> Option<u64> {
    let text = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
    headers.get(header::CONTENT_LENGTH).and_then(text)
}

/// The date of the current second, written once in it.
fn with_date(take: impl FnOnce(&[u8])) {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DATE.with_borrow_mut(|(written, text)| {
        if *written != second {
            (*written, *text) = (second, httpdate::fmt_http_date(now));
        }
        take(text.as_bytes());
    });
}
