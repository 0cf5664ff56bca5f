//! The key-value store of each project: `ports::key_value::KeyValue` over SQLite, and its HTTP form with
//! rules for public keys. Never knows what values mean; never reads another service's store.
//!
//! What must hold: one task writes, in groups that share a transaction and its fsync; an answered write is
//! on disk; a key that has expired is seen by nobody, swept or not.

mod config;
mod http;
mod list;
mod metrics;
mod pattern;
mod service;
mod store;
mod writer;

pub use config::KvConfig;
pub use service::KeyValueService;
