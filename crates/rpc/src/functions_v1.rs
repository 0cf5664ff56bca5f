//! What `build.rs` generated from `proto/bunbase/functions/v1/functions.proto`: functions for programs outside. Messages,
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

tonic::include_proto!("bunbase.functions.v1");
