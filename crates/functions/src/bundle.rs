//! Bundles: made from an upload by a short-lived Bun, kept as files, with maps to their sources and with bytecode beside the large ones.

mod archive;
mod build;
mod bytecode;
mod compile;
mod entry;
mod files;
mod install;
mod source_map;
mod stage;

pub(crate) use archive::ArchiveLimits;
pub use build::write_sdk;
pub(crate) use build::{BuildLimits, Builder, Bundles};
pub(crate) use bytecode::BYTECODE_FROM_BYTES;
pub use entry::ENTRY_FILES;
pub(crate) use files::BundleFiles;
pub(crate) use source_map::Bundled;
pub(crate) use stage::{Staged, Upload};
