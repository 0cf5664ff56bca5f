//! The one HTTP client for requests whose address somebody else chose: `fetch` in functions, webhooks, discovery
//! documents, imports by URL.
//!
//! What must hold:
//!
//! - only `http` and `https`, without credentials in the URL;
//! - no address that is not public, however it is spelt and whichever name or redirect leads there, unless the
//!   operator named the host ([`OutboundConfig::private_hosts`]);
//! - the address that was checked is the one that is connected to;
//! - a redirect is checked like the first request; to another origin go only headers that carry no credentials,
//!   and from `https` none leads to `http`;
//! - time and size are bounded. No proxy of the environment is used, and nothing is decompressed.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use outbound::{OutboundClient, OutboundConfig, OutboundRequest};
//!
//! let client = OutboundClient::new(OutboundConfig::default());
//! let response = client.send(OutboundRequest::get("https://example.com/".parse()?)).await?;
//! assert!(response.status.is_success());
//! # Ok(())
//! # }
//! ```

mod address;
mod client;
mod config;
mod connect;
mod error;
mod guard;
mod hosts;
mod message;
mod redirect;
mod resolver;

pub use address::is_public;
pub use client::OutboundClient;
pub use config::OutboundConfig;
pub use error::OutboundError;
pub use guard::AddressGuard;
pub use hosts::HostSet;
pub use message::{OutboundRequest, OutboundResponse, RedirectMode};
pub use resolver::{Lookup, SystemLookup};
