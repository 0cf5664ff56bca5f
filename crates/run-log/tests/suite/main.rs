//! The log as its users see it.

#![allow(clippy::unwrap_used)]

mod crash;
mod export;
mod figures;
mod lines;
mod migration;
mod model;
mod redaction;
mod retention;
mod runs;
mod support;
mod traces;
