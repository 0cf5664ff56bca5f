//! The document service over its real router and the real engine; only the answer to "who is this" is a
//! stand-in. One file per resource.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where.

mod aliases;
mod bad_input;
mod batch;
mod cases;
mod collections;
mod count;
mod documents;
mod explain;
mod group;
mod grpc;
mod grpc_example;
mod indexes;
mod isolation;
mod limits;
mod live;
mod live_query;
mod live_rules;
mod many_projects;
mod modify;
mod query;
mod relay;
mod rules;
mod stream;
mod support;
mod system;
mod transactions;
