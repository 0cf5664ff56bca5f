#![doc = include_str!("../README.md")]

mod client;
mod code;
mod credential;
mod error;
mod pack;
mod types;

pub use client::FunctionsClient;
pub use code::DEPLOYMENT_BYTES_MAX;
pub use credential::Credential;
pub use error::ClientError;
pub use pack::{IGNORE_FILE, PackError, Source, is_source, pack, sources};
pub use service_kit::error::{ApiError, ErrorCode};
pub use types::{Function, LogLine, LogsQuery};
