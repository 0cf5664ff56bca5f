//! Applications of actions: what is one, what it consists of, and the module that is bundled for it. The framework itself is
//! the npm package `bunbase`.

mod build;
mod config;
mod discover;
mod doctor;
mod init;
mod migrate;

pub(crate) use build::{OfApplication, build, routes};
pub(crate) use config::{Config, RunsBuffer};
pub(crate) use doctor::{DoctorArgs, doctor};
pub(crate) use init::{GenerateCommand, InitArgs, generate, init};
pub(crate) use migrate::{MigrateArgs, migrate, up};

use super::functions::entry::Source;
use config::ConfigFile;
use std::path::Path;
use worker_pool::BunBinary;

/// A directory with a configuration of the framework.
pub(crate) struct Application {
    file: ConfigFile,
    bun: BunBinary,
    /// The file as it was read last, and what it said.
    read: (String, Config),
}

impl Application {
    /// That of a directory; `None` where it is none.
    ///
    /// # Errors
    /// Its configuration fails.
    pub(crate) async fn open(root: &Path, bun: &BunBinary) -> anyhow::Result<Option<Self>> {
        let Some(file) = ConfigFile::find(root) else { return Ok(None) };
        let text = file.text()?;
        let config = file.read(bun).await?;
        Ok(Some(Self { file, bun: bun.clone(), read: (text, config) }))
    }

    /// Its directory.
    pub(crate) fn root(&self) -> &Path {
        &self.file.root
    }

    /// What the configuration said when it was read last.
    pub(crate) fn config(&self) -> &Config {
        &self.read.1
    }

    /// The application as the one function that it is, with its configuration as it is now.
    ///
    /// # Errors
    /// The configuration fails, or there is no action.
    pub(crate) async fn source(&mut self) -> anyhow::Result<Source> {
        let text = self.file.text()?;
        if text != self.read.0 {
            self.read = (text, self.file.read(&self.bun).await?);
        }
        discover::source(&self.file, self.config())
    }
}
