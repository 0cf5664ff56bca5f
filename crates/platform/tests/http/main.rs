//! The routes of projects, members, keys and the audit log, over their real router and a database on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod audit;
mod client_config;
mod deletion;
mod end_users;
mod identity;
mod invitations;
mod keys;
mod members;
mod projects;
mod rotation;
mod support;
mod tokens;
