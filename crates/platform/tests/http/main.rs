//! The routes of projects and keys, over their real router and a database on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod deletion;
mod keys;
mod projects;
mod support;
