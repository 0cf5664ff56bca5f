//! Keys and secrets of projects: envelope encryption under a root key that never leaves the process,
//! versioned named secrets, named keys that encrypt and sign, and a chained audit log. Owns the tables
//! `kms_*`, the file `root.key` and the files `kms-audit*.jsonl`.
//!
//! What must hold: no answer leaves before its line is on disk in the audit log; key material and values
//! are never in a log, an error or a list; what was sealed for one project, purpose, name or version opens
//! for no other; a project whose key is destroyed cannot be read again, wherever copies of its data are.

mod audit;
mod config;
mod crypto;
mod error;
mod http;
mod keks;
mod keyring;
mod kms;
mod metrics;
mod names;
mod operations;
mod root;
mod service;
mod store;

pub use audit::{AuditError, AuditReport};
pub use config::KmsConfig;
pub use error::KmsError;
pub use service::{KmsDeps, KmsService};
