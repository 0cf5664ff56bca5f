//! Bundles: made from a source by a short-lived Bun, kept as files, with bytecode beside the large ones.

mod build;
mod bytecode;
mod compile;
mod files;

pub(crate) use build::{BuildLimits, Builder};
pub(crate) use bytecode::BYTECODE_FROM_BYTES;
pub(crate) use files::BundleFiles;
