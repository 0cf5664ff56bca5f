//! Developer accounts and sessions: set-up, registration, signing in and out, and who a session belongs
//! to. Owns the tables `auth_accounts` and `auth_sessions`; knows nothing of projects.
//!
//! What must hold: a password is kept as an argon2id hash only and never reaches a log or an answer; an
//! unknown account costs and answers the same as a known one; a session is kept as a hash, and once
//! revoked it opens nothing.

mod accounts;
mod config;
mod error;
mod http;
mod metrics;
mod rate;
mod service;
mod sessions;
mod store;

pub use config::{AuthConfig, Registration};
pub use error::AuthError;
pub use service::AuthService;
