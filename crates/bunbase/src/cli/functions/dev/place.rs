//! The directory that is run, and what is kept of it: in `.bunbase/dev`, or in production in `.bunbase/data`.

use crate::cli::failure::UsageError;
use anyhow::{Context as _, bail};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// For whom a directory is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Whoever works on it.
    Dev,
    /// Those whom it is made for.
    Production,
}

impl Mode {
    /// Where data is, from the directory on.
    pub(crate) fn data(self) -> &'static str {
        match self {
            Self::Dev => ".bunbase/dev",
            Self::Production => ".bunbase/data",
        }
    }
}

/// A directory with its data.
pub(super) struct Place {
    /// What holds the functions, as it was named.
    pub(super) path: PathBuf,
    /// The directory that is watched.
    pub(super) root: PathBuf,
    /// The data directory of the server.
    pub(super) data: PathBuf,
}

impl Place {
    /// Makes the data directory where it is missing, out of the sight of git.
    pub(super) fn open(path: &Path, mode: Mode) -> anyhow::Result<Self> {
        let Ok(path) = path.canonicalize() else {
            bail!(UsageError(format!("there is nothing at {}", path.display())));
        };
        let above = path.parent().unwrap_or(&path);
        let root = if path.is_dir() { path.clone() } else { above.to_owned() };
        let data = root.join(mode.data());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data)
            .and_then(|()| std::fs::write(data.join(".gitignore"), "*\n"))
            .with_context(|| format!("could not write to {}", data.display()))?;
        Ok(Self { path, root, data })
    }

    /// The file with the keys of the project.
    pub(super) fn keys(&self) -> String {
        let file = self.data.join("env");
        file.strip_prefix(&self.root).unwrap_or(&file).display().to_string()
    }
}
