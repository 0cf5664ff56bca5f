//! Mail from the queue to its end: a mail server on loopback that accepts, refuses or hangs, and files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod captured;
mod delivered;
mod support;
