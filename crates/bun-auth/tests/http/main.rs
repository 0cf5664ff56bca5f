//! The routes of accounts and sessions, over their real router and a database on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod instance;
mod limits;
mod sessions;
mod support;
