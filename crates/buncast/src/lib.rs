//! The event broker: topics, subscriptions, durable logs and replay.
//!
//! ```text
//! HTTP (http) ─┐                       ┌─ inbox ─ subscription ─ SSE, WebSocket, socket, ports::EventBus
//! socket ──────┼─ broker ─ realm ─ topic ┤
//! EventBus ────┘                  └─ log ┘ (durable topics: written and synced first)
//! ```
//!
//! Events travel as *runs*: consecutive events of one topic, kept once and shared by all subscribers. What
//! must hold: the topics of two realms never meet; every subscriber sees the events of a topic in one
//! order; an event of a durable topic is answered after it is on disk; nothing waits without a bound.

mod broker;
mod budget;
mod config;
mod declare;
mod demand;
mod error;
mod http;
mod inbox;
mod index;
mod log;
mod metrics;
mod moment;
mod queue;
mod realm;
mod render;
mod rights;
mod run;
mod service;
mod socket;
mod store;
mod subscription;
mod sync;
mod topic;

pub use broker::Broker;
pub use config::BuncastConfig;
pub use error::{BuncastError, LogFailure};
pub use inbox::Consumer;
pub use log::Retention;
pub use run::{Part, Run};
pub use service::{BuncastDeps, BuncastService};
pub use subscription::{Ended, Item, Subscription};
