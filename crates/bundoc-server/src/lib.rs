//! Documents of every project over HTTP and gRPC. Owns the routes under `/v1/database` (with a project key) and
//! `/v1/projects/{project}/database` (for developers), the service `bundoc.v1.Documents`, open transactions, the fair share of query threads, the streams of changes, and the one
//! mapping of engine errors to answers. A project is one database of the engine, named by its id.
//! Never stores anything itself and never decides who a caller is.

mod config;
mod error;
mod gate;
mod grpc;
mod http;
mod json;
mod limit;
mod live;
mod metrics;
mod reader;
mod relay;
mod requests;
mod scope;
mod service;
mod system;
mod transactions;

pub use config::DocumentsConfig;
pub use service::BundocServer;
