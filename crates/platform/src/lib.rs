//! Projects, their members and keys, and the answer to "who may do what". Owns the tables `projects`,
//! `project_members`, `project_keys`, `project_tombstones` and `project_purges`; knows nothing of
//! passwords and keeps nothing of what other services store in a project.
//!
//! What must hold: a foreign project and a missing one answer the same; a secret key is kept as a hash
//! and shown once; a revoked key and a deleted project open nothing from the moment the change is
//! answered; a deleted project's tombstone stays until every store has removed its part.

mod access;
mod config;
mod error;
mod http;
mod keys;
mod metrics;
mod naming;
mod projects;
mod purge;
mod service;
mod store;

pub use access::ProjectAccess;
pub use config::PlatformConfig;
pub use error::PlatformError;
pub use service::{PlatformParts, PlatformService};
