//! The event service over its real router, socket and disk; only the answer to "who is this" is a stand-in.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where.

mod access;
mod crash;
mod delivery;
mod durable;
mod protocol;
mod rules;
mod sse;
mod support;
mod topics;
mod websocket;
