//! SQL stores: opening, settings, numbered migrations. The only crate that opens SQL; the store rooms of
//! the services write the statements.
//!
//! What must hold: one writer per file; readers never wait for it (WAL); with `Durability::Full` a
//! committed transaction is on disk before `commit` returns.

pub mod confined;
mod database;
mod error;
mod migrate;
pub mod postgres;
mod reach;
pub mod scripts;
pub mod shared;

pub use database::{Database, Durability, Write};
pub use error::SqlError;
pub use migrate::Migration;
pub use reach::{Reach, ReachError};
