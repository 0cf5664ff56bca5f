//! The gateway as a process: over real sockets, in front of services on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lean;
mod pages;
mod peers;
mod ports;
mod proxy;
mod support;
mod upgrade;
