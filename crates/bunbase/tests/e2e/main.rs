//! End to end: the real binary, real Bun workers, real files, over HTTP.

mod accounts;
mod authorisation;
mod bad_input;
mod client;
mod crash;
mod documents;
mod functions;
mod process;
mod server;
