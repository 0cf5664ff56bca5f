//! The pool against a real Bun. Fails, and does not skip, where there is none.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not tests to clippy")]

mod failure;
mod forms;
mod lifecycle;
mod limits;
mod streams;
mod support;
