//! Finds the Bun that runs the workers and checks its version.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest Bun that works.
pub(crate) const BUN_VERSION_MIN: (u32, u32, u32) = (1, 4, 0);
/// First major version that is not known to work.
pub(crate) const BUN_MAJOR_END: u32 = 2;

const NEXT_STEP: &str =
    "install it with `npm install bun@1.4.5`, put it on PATH, or name it with --bun-path or BUNBASE_BUN_PATH";

/// An executable Bun whose version was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BunBinary {
    path: PathBuf,
    version: String,
}

/// There is no Bun that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BunError {
    /// None was found.
    #[error("bun was not found; {NEXT_STEP}")]
    NotFound,
    /// It could not be run.
    #[error("bun at {path} could not be run; {NEXT_STEP}")]
    NotRunnable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too old, too new, or no Bun.
    #[error(
        "bun at {path} is version {version:?}, but 1.4.0 or later and below 2.0.0 is needed; {NEXT_STEP}"
    )]
    Version {
        /// Where it is.
        path: PathBuf,
        /// What it says.
        version: String,
    },
}

impl BunBinary {
    /// Looks, in this order, at `explicit`, at `bun` in each directory of `near` (beside the executable),
    /// at `node_modules` from the current directory upwards, at the Bun that runs this program (`bunx`, `bun run`), and
    /// at `PATH`. Runs `bun --version` once.
    ///
    /// The first one found has to do: an unsuitable Bun is an error, not a reason to look further.
    pub fn find(explicit: Option<&Path>, near: &[PathBuf]) -> Result<Self, BunError> {
        if let Some(path) = explicit {
            return Self::check(path.to_owned());
        }
        let beside = near.iter().map(|directory| directory.join("bun"));
        let current = std::env::current_dir().unwrap_or_default();
        let modules = current.ancestors().flat_map(in_node_modules);
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&search_path).map(|directory| directory.join("bun"));
        beside
            .chain(modules)
            .chain(running_bun())
            .chain(on_path)
            .find(|path| path.is_file())
            .map_or(Err(BunError::NotFound), Self::check)
    }

    /// Absolute path of the executable.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `bun --version` says.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn check(found: PathBuf) -> Result<Self, BunError> {
        let path = match found.canonicalize() {
            Ok(path) => path,
            Err(source) => return Err(BunError::NotRunnable { path: found, source }),
        };
        let output = match Command::new(&path).arg("--version").output() {
            Ok(output) => output,
            Err(source) => return Err(BunError::NotRunnable { path, source }),
        };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match parse_version(&version) {
            Some(parts) if parts >= BUN_VERSION_MIN && parts.0 < BUN_MAJOR_END => Ok(Self { path, version }),
            Some(_) | None => Err(BunError::Version { path, version }),
        }
    }
}

/// What runs a package's program is named by `npm_execpath`: Bun, or npm's own script.
fn running_bun() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("npm_execpath")?);
    (path.file_name()? == "bun").then_some(path)
}

/// The native executables of the npm packages first: `.bin/bun` may be a script of Node.
fn in_node_modules(root: &Path) -> Vec<PathBuf> {
    let modules = root.join("node_modules");
    let mut native: Vec<PathBuf> = std::fs::read_dir(modules.join("@oven"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("bun-"))
        .map(|entry| entry.path().join("bin/bun"))
        .collect();
    native.sort();
    native.push(modules.join(".bin/bun"));
    native
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let core = text.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse::<u32>().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fake_bun(version: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bun");
        std::fs::write(&path, format!("#!/bin/sh\necho {version}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_version_in_range_is_taken_from_the_explicit_path() {
        let (_directory, path) = fake_bun("1.4.9-canary.3");
        let bun = BunBinary::find(Some(&path), &[]).unwrap();
        assert_eq!(bun.version(), "1.4.9-canary.3");
    }

    #[test]
    fn a_bun_beside_the_executable_comes_before_all_others() {
        let (directory, path) = fake_bun("1.5.0");
        let bun = BunBinary::find(None, &[directory.path().to_owned()]).unwrap();
        assert_eq!(bun.path(), path.canonicalize().unwrap());
    }

    #[test]
    fn versions_out_of_range_are_refused_with_the_next_step() {
        for version in ["1.3.99", "2.0.0", "hello", "1.4"] {
            let (_directory, path) = fake_bun(version);
            let error = BunBinary::find(Some(&path), &[]).unwrap_err();
            assert!(matches!(error, BunError::Version { .. }), "{version}: {error}");
            assert!(error.to_string().contains("--bun-path"));
        }
    }

    #[test]
    fn a_path_that_does_not_exist_is_said() {
        let error = BunBinary::find(Some(Path::new("/nonexistent/bun")), &[]).unwrap_err();
        assert!(matches!(error, BunError::NotRunnable { .. }));
    }
}
