//! Makes a bundle from a source or from an archive's files: `bun` in a child process, in a private directory with
//! the SDK in its `node_modules`, without the server's environment, within a time, and only so many at once.

use super::archive::ArchiveLimits;
use super::source_map::Bundled;
use super::stage::{Staged, What};
use crate::error::FunctionsError;
use crate::runtime::Runtime;
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

/// The bundles of an upload, in the order in which they are tried, each with the runtime that it is for.
pub(crate) type Bundles = Vec<(Runtime, Result<Bundled, FunctionsError>)>;

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

    /// The bundle of an upload for its runtime, or where that is not known one for each that it may be for.
    pub(crate) async fn bundle(&self, staged: &Staged<'_>, runtime: Option<Runtime>) -> Bundles {
        if let Some(runtime) = runtime {
            return vec![(runtime, self.bundle_for(staged, runtime).await)];
        }
        let bundle = self.bundle_for(staged, Runtime::Bun).await;
        if !bundle.as_ref().is_ok_and(|bundled| names_quickjs(&bundled.code)) {
            return vec![(Runtime::Bun, bundle)];
        }
        vec![(Runtime::QuickJs, self.bundle_for(staged, Runtime::QuickJs).await), (Runtime::Bun, bundle)]
    }

    async fn bundle_for(&self, staged: &Staged<'_>, runtime: Runtime) -> Result<Bundled, FunctionsError> {
        Ok(Bundled::split(self.code_for(staged, runtime).await?, staged.root()))
    }

    async fn code_for(&self, staged: &Staged<'_>, runtime: Runtime) -> Result<Vec<u8>, FunctionsError> {
        match &staged.what {
            What::Bundle(code) if runtime == Runtime::Bun => Ok(code.clone()),
            // Only looked at: a bundle is stored as it is.
            What::Bundle(code) => {
                self.build_file(("function.js", code), ("bundle", runtime)).await.map(|_| code.clone())
            }
            What::Source(source) => self.build_file(("function.ts", source), ("source", runtime)).await,
            What::Archive { place, root, entry } => {
                self.prepare(&place.path, None).await?;
                self.install(place, root).await?;
                self.build_in(&place.path, entry, ("archive", runtime)).await
            }
        }
    }

    async fn build_file(
        &self,
        (name, code): (&'static str, &[u8]),
        what: (&str, Runtime),
    ) -> Result<Vec<u8>, FunctionsError> {
        let place = self.place().await?;
        let prepared = self.prepare(&place.path, Some((name, code.to_vec()))).await;
        let built = match prepared {
            Ok(()) => self.build_in(&place.path, &Path::new(".").join(name), what).await,
            Err(error) => Err(error),
        };
        place.remove().await;
        built
    }

    async fn prepare(
        &self,
        place: &Path,
        code: Option<(&'static str, Vec<u8>)>,
    ) -> Result<(), FunctionsError> {
        let place = place.to_owned();
        tokio::task::spawn_blocking(move || prepare(&place, code)).await?.map_err(FunctionsError::Builder)
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

    async fn build_in(
        &self,
        place: &Path,
        entry: &Path,
        (form, runtime): (&str, Runtime),
    ) -> Result<Vec<u8>, FunctionsError> {
        let timeout = self.limits.timeout;
        let answer = match tokio::time::timeout(timeout, self.run(place, entry, (form, runtime))).await {
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

    async fn run(&self, place: &Path, entry: &Path, (form, runtime): (&str, Runtime)) -> io::Result<Answer> {
        let mut child = self
            .bun(place)
            .arg("build.js")
            .arg(entry)
            .args(["./bundle.js", form, runtime.as_str()])
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

/// Whether the text has `runtime: "quickjs"`, as object or JSON, in any quotes.
fn names_quickjs(code: &[u8]) -> bool {
    let code = String::from_utf8_lossy(code);
    let quotes = ['"', '\'', '`'];
    code.match_indices("quickjs").any(|(at, _)| {
        let before = code[..at].strip_suffix(quotes).and_then(|before| before.trim_end().strip_suffix(':'));
        before.is_some_and(|name| name.trim_end().trim_end_matches(quotes).ends_with("runtime"))
    })
}

fn prepare(place: &Path, code: Option<(&str, Vec<u8>)>) -> io::Result<()> {
    write_sdk(&place.join("node_modules/bunbase-js"))?;
    std::fs::write(place.join("package.json"), r#"{"type":"module"}"#)?;
    std::fs::write(place.join("build.js"), SCRIPT)?;
    code.map_or(Ok(()), |(name, code)| std::fs::write(place.join(name), code))
}

/// Writes the package `bunbase-js`, as this program has it, into a directory that it makes.
///
/// # Errors
/// The directory cannot be written.
pub fn write_sdk(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory.join("dist"))?;
    FILES.iter().try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_lane_is_found_where_it_is_a_runtime() {
        for text in [
            r#"{runtime:"quickjs"}"#,
            "{ runtime : 'quickjs-ng' }",
            r#"{"a":1,"runtime": "quickjs"}"#,
            "runtime:`quickjs`",
        ] {
            assert!(names_quickjs(text.as_bytes()), "{text}");
        }
        for text in
            ["runtime:'bun'", "'quickjs'", "kind: 'quickjs'", "runtime: quickjs", "'runtime', 'quickjs'"]
        {
            assert!(!names_quickjs(text.as_bytes()), "{text}");
        }
    }
}
