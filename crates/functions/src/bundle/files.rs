//! `bundles/{function}/{version}/bundle.js`, and `bundle.js.map` where there is a map. Both parts of the path are ids of ours, never a user's text. A
//! bundle is complete under its name or not there at all.

use super::source_map::Bundled;
use crate::error::FunctionsError;
use service_kit::ids::FunctionId;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const FILE: &str = "bundle.js";
const MAP: &str = "bundle.js.map";

/// The directory of all bundles.
#[derive(Debug, Clone)]
pub(crate) struct BundleFiles {
    directory: PathBuf,
}

impl BundleFiles {
    /// Takes an absolute directory, making it where it is missing.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.canonicalize()? })
    }

    /// Where the bundle of a version is.
    pub(crate) fn path(&self, function: &FunctionId, version_id: &str) -> PathBuf {
        self.version_directory(function, version_id).join(FILE)
    }

    /// Where its source map is, if it has one.
    pub(super) fn map_of(bundle: &Path) -> PathBuf {
        bundle.with_file_name(MAP)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn version_directory(&self, function: &FunctionId, version_id: &str) -> PathBuf {
        self.directory.join(function.as_str()).join(version_id)
    }

    /// Writes a bundle; it is on disk when this returns.
    pub(crate) async fn write(
        &self,
        function: &FunctionId,
        version_id: &str,
        bundled: Bundled,
    ) -> Result<PathBuf, FunctionsError> {
        let target = self.path(function, version_id);
        let (files, path) = (self.clone(), target.clone());
        blocking(move || files.write_now(&path, &bundled)).await?;
        Ok(target)
    }

    fn write_now(&self, target: &Path, bundled: &Bundled) -> io::Result<()> {
        let version = target.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(version)?;
        let unfinished = version.join("bundle.js.unfinished");
        write_synced(&unfinished, &bundled.code)?;
        if let Some(map) = &bundled.map {
            write_synced(&Self::map_of(target), map)?;
        }
        std::fs::rename(&unfinished, target)?;
        sync_up(version, &self.directory)
    }

    /// Removes a version.
    pub(crate) async fn remove_version(
        &self,
        function: &FunctionId,
        version_id: &str,
    ) -> Result<(), FunctionsError> {
        let directory = self.version_directory(function, version_id);
        blocking(move || absent(std::fs::remove_dir_all(directory))).await
    }

    /// Removes all versions of a function.
    pub(crate) async fn remove_function(&self, function: &FunctionId) -> Result<(), FunctionsError> {
        let directory = self.directory.join(function.as_str());
        blocking(move || absent(std::fs::remove_dir_all(directory))).await
    }

    /// Removes what no row knows: left by a crash between file and row, or between row and file.
    pub(crate) fn sweep(&self, known: &[(String, String)]) -> io::Result<()> {
        let functions: HashSet<&str> = known.iter().map(|(function, _)| function.as_str()).collect();
        let versions: HashSet<&str> = known.iter().map(|(_, version)| version.as_str()).collect();
        for function in entries(&self.directory)? {
            if !functions.contains(name(&function).as_str()) {
                std::fs::remove_dir_all(function)?;
                continue;
            }
            for version in entries(&function)? {
                if !versions.contains(name(&version).as_str()) {
                    std::fs::remove_dir_all(version)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a file to the disk, its entry in the directory not yet.
pub(super) fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Brings the entries of a directory, and of those above it up to `top`, to the disk.
pub(super) fn sync_up(directory: &Path, top: &Path) -> io::Result<()> {
    let mut directories = directory.ancestors().take_while(|path| path.starts_with(top));
    directories.try_for_each(|path| File::open(path)?.sync_all())
}

pub(super) fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) async fn blocking(
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), FunctionsError> {
    tokio::task::spawn_blocking(work).await?.map_err(FunctionsError::Files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_no_row_knows_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let files = BundleFiles::open(&directory.path().join("bundles")).unwrap();
        let (kept, gone) = (FunctionId::generate(), FunctionId::generate());
        for (function, version) in [(&kept, "ver_1"), (&kept, "ver_2"), (&gone, "ver_3")] {
            files.write(function, version, Bundled { code: b"export {}".to_vec(), map: None }).await.unwrap();
        }
        files.sweep(&[(kept.to_string(), "ver_1".to_owned())]).unwrap();
        assert!(files.path(&kept, "ver_1").exists());
        assert!(!files.path(&kept, "ver_2").exists());
        assert!(!files.path(&gone, "ver_3").exists());
        files.remove_version(&kept, "ver_9").await.unwrap();
    }
}
