//! Makes a bundle from a source or from an archive's files: `bun` in a child process, in a private directory with
//! the SDK in its `node_modules`, without the server's environment, within a time, and only so many at once.

use super::archive::ArchiveLimits;
use super::source_map::Bundled;
use super::stage::{Staged, What};
use crate::error::FunctionsError;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};
use worker_pool::BunBinary;

include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

const SCRIPT: &str = include_str!("build.js");
/// Bytes that the bundler may say.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// How long a deployment waits until a bundler may run.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// What the script answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    errors: Vec<Value>,
    sdk_missing: bool,
}

/// Runs bundlers.
#[derive(Debug)]
pub(crate) struct Builder {
    bun: BunBinary,
    directory: PathBuf,
    limits: BuildLimits,
    turns: Semaphore,
    builds: AtomicU64,
}

impl Builder {
    /// Works in `directory`, which is emptied.
    pub(crate) fn open(bun: BunBinary, directory: &Path, limits: BuildLimits) -> io::Result<Self> {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(directory)?,
        }
        let turns = Semaphore::new(limits.builds_max.max(1));
        let directory = directory.canonicalize()?;
        Ok(Self { bun, directory, limits, turns, builds: AtomicU64::new(0) })
    }

    /// The bundle of an upload.
    pub(crate) async fn bundle(&self, staged: &Staged<'_>) -> Result<Bundled, FunctionsError> {
        Ok(Bundled::split(self.code(staged).await?, staged.root()))
    }

    async fn code(&self, staged: &Staged<'_>) -> Result<Vec<u8>, FunctionsError> {
        match &staged.what {
            What::Bundle(code) => Ok(code.clone()),
            What::Source(source) => {
                let place = self.place().await?;
                let built = self.build_source(&place.path, source.clone()).await;
                place.remove().await;
                built
            }
            What::Archive { place, root, entry } => {
                self.prepare(&place.path, None).await?;
                self.install(place, root).await?;
                self.build_in(&place.path, entry, "archive").await
            }
        }
    }

    async fn build_source(&self, place: &Path, source: Vec<u8>) -> Result<Vec<u8>, FunctionsError> {
        self.prepare(place, Some(source)).await?;
        self.build_in(place, Path::new("./function.ts"), "source").await
    }

    async fn prepare(&self, place: &Path, source: Option<Vec<u8>>) -> Result<(), FunctionsError> {
        let place = place.to_owned();
        tokio::task::spawn_blocking(move || prepare(&place, source.as_deref()))
            .await?
            .map_err(FunctionsError::Builder)
    }

    pub(super) fn archive_limits(&self) -> ArchiveLimits {
        self.limits.archive
    }

    /// What the bytecode is tied to.
    pub(crate) fn bun_version(&self) -> &str {
        self.bun.version()
    }

    /// Waits until a bundler may run.
    pub(super) async fn place(&self) -> Result<Place<'_>, FunctionsError> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.acquire()).await;
        let Ok(Ok(turn)) = turn else { return Err(FunctionsError::Busy) };
        let number = self.builds.fetch_add(1, Ordering::Relaxed);
        let BuildLimits { timeout, install_timeout, .. } = self.limits;
        Ok(Place { path: self.directory.join(number.to_string()), timeout, install_timeout, _turn: turn })
    }

    /// A Bun that works in `place` and sees nothing of the server's environment.
    pub(super) fn bun(&self, place: &Path) -> Command {
        let mut command = Command::new(self.bun.path());
        command
            .current_dir(place)
            .env_clear()
            .env("HOME", place)
            .env("TMPDIR", place)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn build_in(&self, place: &Path, entry: &Path, form: &str) -> Result<Vec<u8>, FunctionsError> {
        let timeout = self.limits.timeout;
        let answer = match tokio::time::timeout(timeout, self.run(place, entry, form)).await {
            Ok(answer) => answer.map_err(FunctionsError::Builder)?,
            Err(_) => {
                let message = format!("the {form} was not bundled within {timeout:?}");
                return Err(FunctionsError::Bundle { message, details: Value::Null });
            }
        };
        if answer.sdk_missing {
            return Err(FunctionsError::SdkMissing);
        }
        if let Some(first) = answer.errors.first() {
            let message = first["message"].as_str().unwrap_or("the source cannot be bundled").to_owned();
            return Err(FunctionsError::Bundle { message, details: json!({ "errors": answer.errors }) });
        }
        tokio::fs::read(place.join("bundle.js")).await.map_err(FunctionsError::Builder)
    }

    async fn run(&self, place: &Path, entry: &Path, form: &str) -> io::Result<Answer> {
        let mut child = self
            .bun(place)
            .arg("build.js")
            .arg(entry)
            .args(["./bundle.js", form])
            // A little less than it has itself, so that the one it starts does not outlive it.
            .arg((self.limits.timeout * 9 / 10).as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut text = Vec::new();
        if let Some(output) = child.stdout.take() {
            output.take(ANSWER_BYTES_MAX).read_to_end(&mut text).await?;
        }
        let status = child.wait().await?;
        let last = text.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
        last.and_then(|line| serde_json::from_slice(line).ok())
            .ok_or_else(|| io::Error::other(format!("the bundler ended without an answer ({status})")))
    }
}

/// The directory of one bundler, with its turn.
pub(super) struct Place<'a> {
    pub(super) path: PathBuf,
    pub(super) timeout: Duration,
    /// `None` where packages are not installed.
    pub(super) install_timeout: Option<Duration>,
    _turn: SemaphorePermit<'a>,
}

impl Place<'_> {
    pub(super) async fn remove(self) {
        if let Err(error) = tokio::fs::remove_dir_all(&self.path).await {
            tracing::warn!(%error, directory = %self.path.display(), "directory of a bundler was not removed");
        }
    }
}

/// Limits of the bundlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuildLimits {
    /// At once.
    pub(crate) builds_max: usize,
    /// For each.
    pub(crate) timeout: Duration,
    /// For the packages of an archive; `None` where none are installed.
    pub(crate) install_timeout: Option<Duration>,
    pub(crate) archive: ArchiveLimits,
}

fn prepare(place: &Path, source: Option<&[u8]>) -> io::Result<()> {
    write_sdk(&place.join("node_modules/bunbase-js"))?;
    std::fs::write(place.join("package.json"), r#"{"type":"module"}"#)?;
    std::fs::write(place.join("build.js"), SCRIPT)?;
    source.map_or(Ok(()), |source| std::fs::write(place.join("function.ts"), source))
}

/// Writes the package `bunbase-js`, as this program has it, into a directory that it makes.
///
/// # Errors
/// The directory cannot be written.
pub fn write_sdk(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory.join("dist"))?;
    FILES.iter().try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
}
