//! End to end: the real binary, real Bun workers, real files, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod accounts;
mod apart;
mod application;
mod application_cli;
mod authorisation;
mod bad_input;
mod client;
mod commands;
mod conformance;
mod crash;
mod demo;
mod deployments;
mod dev;
mod documents;
mod examples;
mod failure;
mod framework;
mod functions;
mod grpc;
mod isolation;
mod ledger;
mod live;
mod notes;
mod package;
mod platform;
#[path = "../../../sql/tests/support/postgres.rs"]
mod postgres;
mod process;
mod quickjs;
mod reference;
mod revocation;
mod server;
mod shared_limits;
mod shared_queue;
mod sockets;
mod stacks;
mod studio;
mod tools;
mod triggers;
mod webhooks;
mod wire;
