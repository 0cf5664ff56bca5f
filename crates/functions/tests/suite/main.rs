//! The service as its callers see it, with real workers.

#![allow(clippy::unwrap_used)]

mod archive;
mod bytecode;
mod calls;
mod concurrency;
mod deploy;
mod environment;
mod hosts;
mod manage;
mod rollout;
mod runs;
mod support;
mod tail;
