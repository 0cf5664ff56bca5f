//! What `build.rs` generated from `proto/bunbase/v1/*.proto`: the ports.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::large_futures,
    clippy::unwrap_used
)]

tonic::include_proto!("bunbase.v1");
