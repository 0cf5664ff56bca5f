//! The QuickJS lane: small functions that compute and call the server's services, in process.
//!
//! A [`Lane`] has a bounded number of threads. [`Lane::load`] compiles a bundle to bytecode once and imports it;
//! [`LaneVersion::invoke`] takes the same calls, and gives the same answers and errors, as a pool of Bun workers
//! does. What must hold:
//!
//! - an instance runs one call at a time; it serves another one only when a call has ended by itself and left
//!   nothing behind;
//! - a call stops at its deadline, at its processor time and at its memory limit, wherever its code is;
//! - one project never has all threads;
//! - what a function may reach is what its [`Capabilities`] say; nothing of the server is reachable otherwise.
//!
//! Inside: `driver` runs a call in slices on `threads`; between two slices it waits for the `operations` that the
//! code started. `instance` is one engine with its globals, which `js/` makes out of `natives`; `memory` and
//! `allocator` count and bound what it holds.
//!
//! ```no_run
//! # async fn example(host: std::sync::Arc<dyn worker_pool::Host>, version: worker_pool::VersionSpec,
//! #     call: worker_pool::InvokeRequest) -> Result<(), Box<dyn std::error::Error>> {
//! use outbound::{OutboundClient, OutboundConfig};
//! use quickjs_lane::{Capabilities, Lane, LaneConfig, LaneSpec};
//!
//! let outbound = OutboundClient::new(OutboundConfig::default());
//! let lane = Lane::start(LaneConfig::default(), host, outbound)?;
//! let version = lane.load(LaneSpec { version, capabilities: Capabilities::strict() }).await?;
//! let response = version.invoke(call).await?;
//! assert_eq!(response.status, 200);
//! lane.stop().await;
//! # Ok(())
//! # }
//! ```

mod allocator;
mod bridge;
mod budget;
mod bytecode;
mod bytes_of;
mod capabilities;
mod config;
mod convert;
mod driver;
mod engine;
mod entry;
mod failure;
mod instance;
mod lane;
mod memory;
mod message;
mod metrics;
mod natives;
mod operations;
mod prelude;
mod seats;
mod stack;
mod threads;
mod version;

pub use capabilities::{Capabilities, CapabilitiesPatch, CapabilityError, Profile};
pub use config::{LaneConfig, LaneError, LaneSpec};
pub use lane::{Lane, LaneStats};
pub use version::{LaneVersion, LaneVersionStats};
