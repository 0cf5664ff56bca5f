//! The routes of accounts, sessions and tokens, over their real router and a database on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod identity;
mod instance;
mod limits;
mod mails;
mod passwords;
mod registration;
mod resets;
mod secrets;
mod sessions;
mod support;
mod table;
mod tokens;
