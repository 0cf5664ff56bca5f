//! The file that makes a directory an application, and what of it has to be known before anything is bundled.

use super::script;
use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use worker_pool::BunBinary;

/// The first that is there.
const FILES: [&str; 4] = ["bunbase.config.ts", "bunbase.ts", "src/bunbase.config.ts", "src/bunbase.ts"];
const SCRIPT: &str = include_str!("config.js");

/// The file of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConfigFile {
    /// The directory of the application.
    pub(super) root: PathBuf,
    /// From there on.
    pub(super) file: &'static str,
}

/// What it says about where things are.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) port: u16,
    pub(crate) hostname: Option<String>,
    pub(crate) actions_dir: PathBuf,
    pub(crate) migrations_dir: PathBuf,
    pub(crate) seeds_dir: PathBuf,
    /// PostgreSQL, where it is to be used.
    pub(crate) database_url: Option<String>,
    /// Where Studio's API is; `None` where it is off.
    pub(crate) studio_api: Option<String>,
    /// The write buffer of runs.
    pub(crate) runs: RunsBuffer,
}

/// How long runs wait to be written, and how many at most before that.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunsBuffer {
    pub(crate) flush_interval_ms: u64,
    pub(crate) max_buffer_size: usize,
}

impl Config {
    /// Where it listens in production; everywhere where no host is named.
    ///
    /// # Errors
    /// `hostname` is no address.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let host = match self.hostname.as_deref() {
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(text) => {
                text.parse().with_context(|| format!("`hostname` is \"{text}\", which is no address"))?
            }
        };
        Ok(SocketAddr::new(host, self.port))
    }
}

impl ConfigFile {
    /// That of a directory; `None` where it is no application.
    pub(super) fn find(root: &Path) -> Option<Self> {
        let file = FILES.into_iter().find(|file| root.join(file).is_file())?;
        Some(Self { root: root.to_owned(), file })
    }

    /// What is in the file.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        let path = self.root.join(self.file);
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    }

    /// Runs the file with Bun, with the variables of `.env`.
    ///
    /// # Errors
    /// It fails, or says something else than it may.
    pub(super) async fn read(&self, bun: &BunBinary) -> anyhow::Result<Config> {
        let path = self.root.join(self.file);
        let error = match script::run(bun, &self.root, (SCRIPT, path.as_os_str())).await? {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        bail!(Advised::new(
            format!("{}: {}", self.file, error.trim()),
            "mend the file; packages that are missing are installed with `bun install` or `npm install`",
        ))
    }
}
