//! Applications of actions: what is one, what it consists of, and the module that is bundled for it. The framework itself is
//! the npm package `bunbase`.

mod build;
mod config;
mod database;
mod discover;
mod doctor;
mod init;
mod migrate;
mod openapi;
mod origin;
mod run;
mod script;
mod seed;
mod typegen;

pub(crate) use build::{OfApplication, build, routes};
pub(crate) use config::{Config, RunsBuffer};
pub(crate) use doctor::{DoctorArgs, doctor};
pub(crate) use init::{GenerateCommand, InitArgs, generate, init};
pub(crate) use migrate::{MigrateArgs, migrate, up};
pub(crate) use openapi::{OpenApiArgs, openapi};
pub(crate) use run::{RunArgs, Wanted, run};
pub(crate) use seed::{SeedArgs, seed};
pub(crate) use typegen::{Fresh, TypegenArgs, refresh, typegen};

use super::failure::Advised;
use super::functions::bundle::find_bun;
use super::functions::entry::Source;
use anyhow::{Context as _, bail};
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

    /// The same where there has to be one.
    ///
    /// # Errors
    /// There is none, or its configuration fails.
    pub(crate) async fn expect(path: &Path) -> anyhow::Result<Self> {
        let root = path.canonicalize().with_context(|| format!("there is nothing at {}", path.display()))?;
        let Some(application) = Self::open(&root, &find_bun()?).await? else {
            bail!(Advised::new(
                format!("{} holds no application", root.display()),
                "an application has a bunbase.config.ts; `bunbase init` writes one",
            ));
        };
        Ok(application)
    }

    /// What runs its code.
    pub(crate) fn bun(&self) -> &BunBinary {
        &self.bun
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
