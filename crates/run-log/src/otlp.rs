//! Export over OTLP/gRPC: log lines, traces and figures go to a collector, beside the store. What goes out is
//! redacted. Never holds the writer: a bounded queue, and one task that sends and tries again; what finds no
//! room or is not taken is counted.

mod client;
mod config;
mod exporter;
mod figures;
mod lines;
mod message;
mod spans;

pub use config::OtlpConfig;
pub(crate) use exporter::{Batch, Exporter};
