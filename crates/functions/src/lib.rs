//! Functions: deployments, versions, their manifests and variables, the route table and the executor. Owns
//! `metadata.db` and `bundles/`.
//!
//! What must hold: a version never changes; a function switches to another version only after that one was
//! imported by what is to run it; a switch loses no call; the path of a call reads memory only; what one project
//! deploys, logs or calls is never visible in another. It never decides who a caller is: it asks `Access`.

mod announce;
mod application;
mod build;
mod bundle;
mod bytecode;
mod config;
mod deploy;
mod domains;
mod environment;
mod error;
mod front;
mod grpc;
mod handlers;
mod host;
mod hosts;
mod http;
mod lifecycle;
mod locks;
mod manage;
mod manifest;
mod metrics;
mod names;
mod places;
mod prometheus;
mod registry;
mod retention;
mod rollout;
mod routing;
mod runs;
mod runtime;
mod service;
mod settings;
mod store;
mod studio;
mod tail;
mod tools;
mod triggers;
mod webhooks;

pub use bundle::{ENTRY_FILES, write_sdk};
pub use config::FunctionsConfig;
pub use error::{FunctionsError, StartError};
pub use front::{CallBody, InvocationFront};
pub use service::{FunctionsDeps, FunctionsService};
pub use settings::AccessSetting;
pub use triggers::TriggersDeps;
