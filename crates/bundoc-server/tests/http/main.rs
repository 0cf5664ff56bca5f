//! The document service over its real router and the real engine; only the answer to "who is this" is a
//! stand-in. One file per resource.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where.

mod bad_input;
mod batch;
mod collections;
mod documents;
mod indexes;
mod isolation;
mod live;
mod live_query;
mod live_rules;
mod query;
mod relay;
mod rules;
mod stream;
mod support;
mod system;
