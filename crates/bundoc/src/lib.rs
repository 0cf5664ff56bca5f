//! Embedded document database: storage, indexes, queries, rules, change feed. Knows no HTTP.

mod catalog;
mod changes;
mod committer;
mod document;
pub mod engine;
pub mod error;
mod filter;
mod find;
mod fjall_engine;
mod home;
mod indexing;
mod journal;
pub mod json;
mod key;
mod layout;
mod names;
mod options;
mod path;
mod plan;
mod query;
mod recovery;
mod rules;
mod store;
mod update;
mod value;

pub use error::EngineError;
pub use fjall_engine::FjallEngine;
pub use options::EngineOptions;
pub use recovery::{CutTail, RecoveryReport};
