//! The stages in front of and behind a handler of an application of actions. Starts no worker and has no routes.

pub mod directory;
pub mod schema;
