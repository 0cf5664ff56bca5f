//! The integration suite: each surface of the service, one file for each.

mod archive;
mod bytecode;
mod calls;
mod database_address;
mod deploy;
mod environment;
mod handlers;
mod hosts;
mod manage;
mod quickjs;
mod rollout;
mod runs;
mod tail;
mod webhooks;
