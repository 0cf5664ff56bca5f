//! The stages in front of and behind a handler of an application of actions. Starts no worker and has no routes.

mod context;
mod csrf;
pub mod directory;
mod guards;
mod identity;
mod permissions;
mod recent;
pub mod schema;
mod session;
pub mod spec;
mod state;
