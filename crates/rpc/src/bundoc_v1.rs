//! What `build.rs` generated from `proto/bundoc/v1/documents.proto`: documents for programs outside. Messages,
//! the client, and the server's trait.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::large_futures,
    clippy::unwrap_used
)]

tonic::include_proto!("bundoc.v1");
