//! Installs the packages that an archive's `bun.lock` names, where it brings none: exactly those, and none of their
//! scripts run.

use super::build::{Builder, Place};
use crate::error::FunctionsError;
use std::io;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncReadExt;

const LOCK: &str = "bun.lock";
/// Bytes that are kept of what the installation says.
const WORDS_BYTES_MAX: u64 = 16 << 10;
/// Its last lines are told.
const LINES_MAX: usize = 6;

fn refuse<T>(problem: impl Into<String>) -> Result<T, FunctionsError> {
    Err(FunctionsError::Archive { problem: problem.into() })
}

impl Builder {
    /// Installs into `root` what its lock file names.
    pub(super) async fn install(&self, place: &Place<'_>, root: &Path) -> Result<(), FunctionsError> {
        let lock = root.join(LOCK);
        if !lock.is_file() || root.join("node_modules").exists() {
            return Ok(());
        }
        let Some(timeout) = place.install_timeout else {
            return refuse(
                "packages are not installed on this server (`functions.install_packages`): put node_modules into it",
            );
        };
        let text = tokio::fs::read_to_string(&lock).await.map_err(FunctionsError::Builder)?;
        check_lock(&text)?;
        match tokio::time::timeout(timeout, self.run_install(place, root)).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(words))) => refuse(format!("its packages could not be installed: {words}")),
            Ok(Err(error)) => Err(FunctionsError::Builder(error)),
            Err(_) => refuse(format!("its packages were not installed within {timeout:?}")),
        }
    }

    /// What it said, where it failed.
    async fn run_install(&self, place: &Place<'_>, root: &Path) -> io::Result<Option<String>> {
        let mut child = self
            .bun(&place.path)
            .current_dir(root)
            .args(["install", "--frozen-lockfile", "--ignore-scripts", "--production", "--no-progress"])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut words = Vec::new();
        if let Some(output) = child.stderr.take() {
            output.take(WORDS_BYTES_MAX).read_to_end(&mut words).await?;
        }
        let status = child.wait().await?;
        Ok((!status.success()).then(|| last_lines(&String::from_utf8_lossy(&words))))
    }
}

/// Packages come from registries or out of the archive, not from elsewhere on this server.
fn check_lock(text: &str) -> Result<(), FunctionsError> {
    if text.contains('\\') {
        return refuse("its bun.lock holds escaped characters; write it anew with `bun install`");
    }
    let leads_out = |at: usize| {
        let path = text[at..].split('"').next().unwrap_or_default();
        path.starts_with(['/', '~']) || path.contains("..")
    };
    let local = text.match_indices("file:").any(|(at, found)| leads_out(at + found.len()));
    if local || text.contains("link:") {
        return refuse("its bun.lock names packages outside of it");
    }
    Ok(())
}

fn last_lines(words: &str) -> String {
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_this_server_are_not_taken() {
        assert!(
            check_lock(
                r#"{"packages": {"a": ["a@1.0.0", "", {}, "sha512-x"], "b": ["b@file:vendor/b", {}]}}"#
            )
            .is_ok()
        );
        for spec in ["file:/etc", "file:../x", "file:vendor/../../x", "link:x", "f\\u0069le:/etc"] {
            assert!(
                check_lock(&format!(r#"{{"packages": {{"a": ["a@{spec}", {{}}]}}}}"#)).is_err(),
                "{spec}"
            );
        }
    }
}
