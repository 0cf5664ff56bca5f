//! Packs a directory for a server that bundles it: `tar.gz`, files only, in the order of their names, without what
//! `.bunbaseignore` names and without what is never meant.

use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::{DirEntry, WalkBuilder};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tar::{Builder, Header};

/// As `.gitignore`, for what is sent.
pub const IGNORE_FILE: &str = ".bunbaseignore";
const LOCK: &str = "bun.lock";
const PACKAGES: &str = "node_modules";
const NO_SOURCES: [&str; 3] = [".git", ".bunbase", ".DS_Store"];
const MODE: u32 = 0o644;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Only a directory can be packed.
    #[error("{} is no directory", .0.display())]
    NoDirectory(PathBuf),
    /// The archive is too large.
    #[error("it is larger than the {} MiB that a deployment may have", bytes_max >> 20)]
    TooLarge {
        /// Bytes that it may have.
        bytes_max: u64,
    },
    /// A directory cannot be looked through.
    #[error("could not read the directory")]
    Walk(#[source] ignore::Error),
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The archive of a directory. `bytes_max` bounds it.
///
/// # Errors
/// `PackError`.
pub fn pack(directory: &Path, bytes_max: u64) -> Result<Vec<u8>, PackError> {
    if !directory.is_dir() {
        return Err(PackError::NoDirectory(directory.to_owned()));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PackError::Read { path, source }
    };
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for path in files(directory)? {
        append(&mut builder, directory, &path).map_err(failed(&path))?;
        if builder.get_ref().get_ref().len() as u64 > bytes_max {
            return Err(PackError::TooLarge { bytes_max });
        }
    }
    let finished = builder.into_inner().and_then(GzEncoder::finish).map_err(failed(directory))?;
    if finished.len() as u64 > bytes_max { Err(PackError::TooLarge { bytes_max }) } else { Ok(finished) }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, PackError> {
    // The server installs what a lock file names; without one it needs the packages.
    let leaves_packages = directory.join(LOCK).is_file();
    let mut walk = walk(directory);
    walk.filter_entry(move |entry| is_meant(entry, leaves_packages));
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(PackError::Walk)?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            files.push(entry.into_path());
        }
    }
    files.sort();
    Ok(files)
}

/// A directory or a file that somebody wrote.
#[derive(Debug)]
pub struct Source {
    /// Where.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// What somebody wrote in a directory, that itself first: neither what `.bunbaseignore` names nor what is no source.
///
/// # Errors
/// Each item that cannot be looked at is a `PackError`.
pub fn sources(directory: &Path) -> impl Iterator<Item = Result<Source, PackError>> {
    let entries = walk(directory).filter_entry(|entry| is_source(entry.path())).build();
    entries.map(|entry| {
        let entry = entry.map_err(PackError::Walk)?;
        let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        Ok(Source { path: entry.into_path(), is_directory })
    })
}

/// What is in a directory and not named in `.bunbaseignore`.
fn walk(directory: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(directory);
    walk.standard_filters(false).follow_links(false).add_custom_ignore_filename(IGNORE_FILE);
    walk
}

/// Whether somebody wrote it here: neither versions of the source, nor data of a server, nor packages.
pub fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    !NO_SOURCES.iter().chain([&PACKAGES]).any(|other| name == *other)
}

/// Never versions of the source, data of a server, or secrets that lie around.
fn is_meant(entry: &DirEntry, leaves_packages: bool) -> bool {
    let name = entry.file_name().to_string_lossy();
    let never = NO_SOURCES.contains(&&*name) || name == ".env" || name.starts_with(".env.");
    entry.depth() == 0 || !(never || (leaves_packages && name == PACKAGES))
}

fn append<W: Write>(builder: &mut Builder<W>, directory: &Path, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut header = Header::new_gnu();
    header.set_size(file.metadata()?.len());
    header.set_mode(MODE);
    let inside = path.strip_prefix(directory).map_err(io::Error::other)?;
    builder.append_data(&mut header, inside, &mut file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::fs;

    fn packed(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", root.path().join("link")).unwrap();
        let bytes = pack(root.path(), 1 << 20).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
        let entries = archive.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn what_is_ignored_stays_here() {
        let files = [
            (".bunbaseignore", "*.log\n/data/\n"),
            ("index.ts", ""),
            ("src/a.ts", ""),
            ("debug.log", ""),
            ("data/large.bin", ""),
            (".env", "SECRET=1"),
            (".env.local", "SECRET=1"),
            (".git/HEAD", ""),
            ("node_modules/left/i.js", ""),
        ];
        assert_eq!(packed(&files), [".bunbaseignore", "index.ts", "node_modules/left/i.js", "src/a.ts"]);
        let mut locked = files.to_vec();
        locked.push(("bun.lock", "{}"));
        assert_eq!(packed(&locked), [".bunbaseignore", "bun.lock", "index.ts", "src/a.ts"]);
    }

    #[test]
    fn a_file_is_no_directory_and_a_large_one_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.ts"), "x").unwrap();
        assert!(matches!(pack(&root.path().join("a.ts"), 1), Err(PackError::NoDirectory(_))));
        assert!(matches!(pack(root.path(), 1), Err(PackError::TooLarge { bytes_max: 1 })));
    }
}
