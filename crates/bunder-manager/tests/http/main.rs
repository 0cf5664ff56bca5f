//! The key-value store over HTTP, and the port behind it.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where.

mod access;
mod conditions;
mod conformance;
mod expiry;
mod isolation;
mod limits;
mod lists;
mod names;
mod rules;
mod support;
mod values;
