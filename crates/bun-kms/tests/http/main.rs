//! Keys and secrets over their real router, a database and an audit log on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod audit;
mod crypt;
mod keys;
mod ports;
mod purge;
mod secrets;
mod start;
mod support;
