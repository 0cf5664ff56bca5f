//! The object store over HTTP, and the port behind it.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where.

mod access;
mod conditions;
mod conformance;
mod damage;
mod isolation;
mod limits;
mod lists;
mod names;
mod objects;
mod ranges;
mod rules;
mod signed;
mod support;
mod uploads;
