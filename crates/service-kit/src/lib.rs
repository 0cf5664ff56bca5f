//! What every service shares and nothing more: typed ids, error codes and their HTTP form, body
//! reading, configuration loading, telemetry, health and graceful drain. Knows no domain.

pub mod admission;
pub mod clock;
pub mod config;
pub mod drain;
pub mod error;
pub mod health;
pub mod ids;
pub mod json;
pub mod secret;
pub mod socket;
pub mod sse;
pub mod telemetry;
