//! The pool against a real Bun. Fails, and does not skip, where there is none.

mod failures;
mod forms;
mod limits;
mod streams;
mod support;
