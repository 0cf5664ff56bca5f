//! Every client against a server over a real loopback listener, with in-memory services behind it.

mod access;
mod credentials;
mod documents;
mod events;
mod failures;
mod identity;
mod lifecycle;
mod process;
mod project_api;
mod secrets;
