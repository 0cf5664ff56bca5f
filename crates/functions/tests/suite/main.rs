//! The service as its callers see it, with real workers.

#![allow(clippy::unwrap_used)]

mod bytecode;
mod calls;
mod deploy;
mod manage;
mod support;
mod tail;
