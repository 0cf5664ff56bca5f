//! End users of projects: accounts, sessions, access tokens, and who a token belongs to. Owns the
//! collections `_system/auth/…` of each project's database; knows nothing of developers.
//!
//! What must hold: everything is kept, cached and counted by project, and the tokens of one project mean
//! nothing in another; passwords are kept as argon2id hashes, tokens and links not at all (they are
//! authenticated with a sealed secret of the project); a refresh token and a link are used once, however
//! many try at the same time; an unknown address costs and answers the same as a known one.

mod accounts;
mod claims;
mod config;
mod error;
mod events;
mod http;
mod jwt;
mod keyring;
mod limits;
mod mails;
mod metrics;
mod project_config;
mod recovery;
mod service;
mod sessions;
mod standing;
mod store;
mod tokens;
mod users;

pub use config::TenantAuthConfig;
pub use error::TenantAuthError;
pub use service::{TenantAuthDeps, TenantAuthService};
