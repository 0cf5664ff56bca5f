//! Developer accounts: set-up, registration, signing in and out, sessions, API tokens, passwords and how a
//! lost one is set anew. Owns the tables `auth_*`; knows nothing of projects.
//!
//! What must hold: a password is kept as an argon2id hash only and never reaches a log or an answer; an
//! unknown account costs and answers the same as a known one; sessions, tokens and links are kept as
//! hashes; once revoked they open nothing; a link works once.

mod accounts;
mod api_tokens;
mod client;
mod config;
mod error;
mod events;
mod failures;
mod http;
mod identity;
mod live;
mod mailed;
mod metrics;
mod passwords;
mod random_text;
mod rate;
mod registration;
mod service;
mod sessions;
mod sign_in;
mod store;

pub use config::{AuthConfig, Registration};
pub use error::AuthError;
pub use service::{AuthDeps, AuthService};
