//! The directory that is worked on, and what is kept of it in `.bunbase/dev`.

use crate::cli::failure::UsageError;
use anyhow::{Context as _, bail};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

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
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let Ok(path) = path.canonicalize() else {
            bail!(UsageError(format!("there is nothing at {}", path.display())));
        };
        let above = path.parent().unwrap_or(&path);
        let root = if path.is_dir() { path.clone() } else { above.to_owned() };
        let data = root.join(".bunbase/dev");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data)
            .and_then(|()| std::fs::write(data.join(".gitignore"), "*\n"))
            .with_context(|| format!("could not write to {}", data.display()))?;
        Ok(Self { path, root, data })
    }
}
