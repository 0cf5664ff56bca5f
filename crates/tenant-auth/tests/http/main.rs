//! The routes of end users, over their real router; documents, secrets and access are the tests' own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod accounts;
mod config;
mod isolation;
mod limits;
mod links;
mod memory;
mod refresh;
mod secrets;
mod support;
mod tokens;
mod users;
