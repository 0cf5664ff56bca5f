//! Projects, their members and keys, the audit log, and the answer to "who may do what". Owns the tables
//! `projects`, `project_members`, `project_invitations`, `project_keys`, `project_tombstones`,
//! `project_purges` and `audit_entries`; knows nothing of passwords and keeps nothing of what other
//! services store in a project.
//!
//! What must hold: a foreign project and a missing one answer the same; a secret key and the token of an
//! invitation are kept as hashes and shown once; a revoked key, a removed member and a deleted project
//! open nothing from the moment the change is answered; an invitation is accepted once; a project always
//! has an owner; a deleted project's tombstone stays until every store has removed its part, twice.

mod access;
mod audit;
mod client_config;
mod config;
mod error;
mod http;
mod invitations;
mod keys;
mod members;
mod metrics;
mod naming;
mod project_keys;
mod projects;
mod purge;
mod service;
mod store;

pub use access::ProjectAccess;
pub use config::PlatformConfig;
pub use error::PlatformError;
pub use service::{PlatformParts, PlatformService, SessionCookie};
