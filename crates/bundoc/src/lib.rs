//! Embedded document database: storage, indexes, queries, rules, change feed. Knows no HTTP.
//!
//! [`engine::Engine`] is the contract, [`FjallEngine`] the implementation over fjall. Many databases share
//! one store; a database has collections, a collection documents (BSON, `_id` a string) and indexes.
//!
//! **Writes** go to one committer thread, which takes what waits as a group, evaluates each request against
//! the store and the group before it (existence, preconditions, rules, unique indexes), and commits the
//! group as one batch with one fsync. A request is answered only then; a failed one contributes nothing.
//! **Reads** use snapshots and wait for nobody. **Definitions** (collections, rules, indexes, purges) run
//! between groups; building an index and removing what was dropped go on in the background, in chunks, and
//! are taken up again after a restart.
//!
//! **Writes by a filter** search a snapshot in the thread of the caller; the committer looks again at what
//! was changed since, so they are decided on the newest state and never refused because of others.
//! **Transactions** read a snapshot and their own writes, and commit only where nothing that they read was
//! changed meanwhile: they are serializable. What recent commits changed is kept in memory for both, only
//! while one is open and within a budget. **The outbox** keeps events and jobs that were committed together
//! with documents until their reader has handed them on.
//!
//! **When things break.** A failed commit is final: reads go on, writes are refused until a restart, and
//! the requests of that group may or may not have been stored. A disk that runs full is noticed before:
//! below `disk_reserve_bytes` writes are refused with `DiskFull`, and taken again once there is space. Where
//! the disk fills up within the reserve all the same, fjall stops for good, and so do writes here.
//! At start the journal is checked before fjall may shorten it: a torn end (the write a crash interrupted)
//! is cut, kept in `cut/` and reported in [`RecoveryReport`]; damage with valid data behind it is refused
//! with `Damaged`, and no file is touched. Commits that were durable and are gone are reported by number.
//!
//! **Order of results**: sort keys in BSON order, then `_id` in the direction of the last key, however the
//! documents are found. An index serves equality on its first fields, then one range, then the order.
//!
//! **The change feed** of a database has what happened to its documents in the order of commits, and two
//! things that happen to a whole collection: that it was dropped, and that its rules were replaced. Where a
//! rule that looks at documents decides who may list a collection, an entry also has the document before,
//! so that whoever could see a document learns that it went; other writes do not carry it.
//!
//! [`json`] reads and writes relaxed Extended JSON without a tree in between.

mod batch;
mod catalog;
mod changes;
mod check;
mod clock;
mod committer;
mod decimal;
mod document;
pub mod engine;
mod equality;
pub mod error;
mod expr;
mod feeds;
mod filter;
mod find;
mod fjall_engine;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod history;
mod home;
mod indexing;
mod journal;
pub mod json;
mod key;
mod layout;
mod limit;
mod matcher;
mod matching;
mod names;
mod options;
mod outbox;
mod path;
mod plan;
mod projection;
mod query;
mod recovery;
mod requests;
mod rules;
mod scope;
mod space;
mod statistics;
mod store;
mod transaction;
mod update;
mod value;

pub use check::CheckReport;
pub use clock::Clock;
pub use equality::{Equality, keys_at};
pub use error::EngineError;
pub use fjall_engine::FjallEngine;
pub use limit::Limit;
pub use matcher::Matcher;
pub use options::EngineOptions;
pub use recovery::{CutTail, RecoveryReport};
