//! gRPC clients and servers of the ports that are crossed between processes: for each trait of `ports` a
//! client that implements it and a server around one that does. Both ends prove themselves with a service
//! credential, and each service may call the ports that it was given, no more (`rights`).
//!
//! Messages are those of `proto/bunbase/v1`; documents cross as raw BSON, bodies as bytes. A port's error
//! comes back as the same variant; whatever happens to the connection is the port's `Unavailable`.
//!
//! [`bundoc_v1`] and [`functions_v1`] are for programs outside, who bring a project's key or a developer's token;
//! `bundoc-server` and `functions` answer them.

mod address;
mod answer;
pub mod bundoc_v1;
mod cache;
mod client;
mod config;
mod credential;
pub mod functions_v1;
mod proto;
mod remote;
mod rights;
mod server;
mod service;
mod status;
mod wire;

pub use address::{Address, InvalidAddress, addresses_from_environment};
pub use answer::{api_error_of, api_status, code_of};
pub use client::{
    AccessClient, Clients, DeveloperIdentityClient, DocumentsClient, EventBusClient, JobQueueClient,
    LifecycleClient, ProjectApiClient, SecretsClient, TenantIdentityClient,
};
pub use config::{RpcConfig, RpcConfigError};
pub use credential::{SECRET_BYTES_MIN, ServiceSecret};
pub use rights::Port;
pub use server::RpcServer;
pub use service::Service;

/// Bytes of one message: a document or a function's request with its envelope.
pub const MESSAGE_BYTES_MAX: usize = 20 << 20;
