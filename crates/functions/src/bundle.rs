//! Bundles: made from a source by a short-lived Bun, and kept as files.

mod build;
mod files;

pub(crate) use build::{BuildLimits, Builder};
pub(crate) use files::BundleFiles;
