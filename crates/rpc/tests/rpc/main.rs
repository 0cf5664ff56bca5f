//! Every client against a server over a real loopback listener, with in-memory services behind it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod credentials;
mod documents;
mod events;
mod failures;
mod identity;
mod jobs;
mod lifecycle;
mod process;
mod project_api;
mod secrets;
