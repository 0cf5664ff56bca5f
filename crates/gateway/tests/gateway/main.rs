//! The gateway as a process: over real sockets, in front of services on loopback.

mod pages;
mod peers;
mod ports;
mod proxy;
mod support;
mod upgrade;
