//! The objects of each project: `ports::objects::ObjectStore` over SQLite and files, and its HTTP form with
//! rules for public keys and signed addresses.
//!
//! What must hold: bytes are on disk before the row that names them is committed, and the row is committed
//! before the answer; a name never becomes the name of a file; an upload that breaks off leaves nothing;
//! nobody holds a whole object in memory.

mod config;
mod download;
mod error;
mod files;
mod http;
mod list;
mod metrics;
mod service;
mod signature;
mod store;
mod transfers;
mod upload;

pub use config::{StorageConfig, StorageDeps};
pub use error::StorageError;
pub use service::StorageService;
