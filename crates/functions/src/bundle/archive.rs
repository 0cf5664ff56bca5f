//! Unpacks a tar.gz that somebody sent. Only files and directories come out of it, only below the target, and no
//! more than the limits: everything else is refused before anything is written.

use crate::error::FunctionsError;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, EntryType};

/// Bytes of a path, and its parts.
const PATH_BYTES_MAX: usize = 1_024;
const DEPTH_MAX: usize = 32;
/// Bytes of a header that holds a long name or attributes: they are read as a whole.
const EXTENSION_BYTES_MAX: u64 = 64 << 10;
/// What an entry takes in the stream besides its content.
const ENTRY_OVERHEAD_BYTES: u64 = 4 * 512;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArchiveLimits {
    /// Bytes of its files.
    pub(crate) bytes_max: u64,
    /// Files and directories.
    pub(crate) entries_max: usize,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Tree {
    /// The directory of the function: the target, or the only directory in it.
    pub(super) root: PathBuf,
    /// SHA-256 in hex of the files with their names: the same for the same files, whatever packed them.
    pub(super) checksum: String,
}

fn refuse<T>(problem: impl Into<String>) -> Result<T, FunctionsError> {
    Err(FunctionsError::Archive { problem: problem.into() })
}

fn unreadable(error: &io::Error) -> FunctionsError {
    FunctionsError::Archive { problem: format!("it cannot be read as tar.gz: {error}") }
}

/// Unpacks into `target`, which is made.
pub(super) fn unpack(bytes: &[u8], target: &Path, limits: ArchiveLimits) -> Result<Tree, FunctionsError> {
    look_through(bytes, limits)?;
    fs::create_dir_all(target).map_err(FunctionsError::Builder)?;
    let mut digests = BTreeMap::new();
    let mut archive = Archive::new(stream(bytes, limits));
    for entry in archive.entries().map_err(|error| unreadable(&error))? {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let path = plain_path(&entry.path().map_err(|error| unreadable(&error))?)?;
        if path.as_os_str().is_empty() {
            continue;
        }
        if kind == EntryType::Directory {
            make_directory(target, &path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            make_directory(target, parent)?;
        }
        let digest = write(&target.join(&path), &mut entry)?;
        digests.insert(path, digest);
    }
    if digests.is_empty() {
        return refuse("it holds no files");
    }
    Ok(Tree { root: root_of(target, &digests), checksum: checksum(&digests) })
}

/// Counts what is in it, by its raw headers.
fn look_through(bytes: &[u8], limits: ArchiveLimits) -> Result<(), FunctionsError> {
    let mut archive = Archive::new(stream(bytes, limits));
    let (mut count, mut total) = (0_usize, 0_u64);
    for entry in archive.entries().map_err(|error| unreadable(&error))?.raw(true) {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let header = entry.header();
        let size = header.entry_size().map_err(|error| unreadable(&error))?;
        match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => total = total.saturating_add(size),
            EntryType::Directory => {}
            EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName
                if size <= EXTENSION_BYTES_MAX => {}
            EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName => {
                return refuse("a name or an attribute in it is too long");
            }
            _ => return refuse("it holds links or devices: pack files and directories only"),
        }
        count += 1;
        if count > limits.entries_max {
            return refuse(format!("it holds more than {} files and directories", limits.entries_max));
        }
        if total > limits.bytes_max {
            return refuse(format!("its files have more than {} bytes", limits.bytes_max));
        }
    }
    Ok(())
}

/// What is unpacked, up to a little more than the limits allow.
fn stream(bytes: &[u8], limits: ArchiveLimits) -> impl Read {
    let overhead = ENTRY_OVERHEAD_BYTES.saturating_mul(limits.entries_max as u64 + 1);
    GzDecoder::new(bytes).take(limits.bytes_max.saturating_add(overhead))
}

/// The path below the target.
fn plain_path(path: &Path) -> Result<PathBuf, FunctionsError> {
    if path.to_str().is_none_or(|text| text.len() > PATH_BYTES_MAX || text.contains(['\\', '\0'])) {
        return refuse("a path in it is too long, or is no text");
    }
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return refuse(format!("the path \"{}\" leads out of it", path.display()));
            }
        }
    }
    if plain.components().count() > DEPTH_MAX {
        return refuse(format!("it nests deeper than {DEPTH_MAX} directories"));
    }
    Ok(plain)
}

fn make_directory(target: &Path, path: &Path) -> Result<(), FunctionsError> {
    match fs::create_dir_all(target.join(path)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) => {
            refuse(format!("\"{}\" is a file and a directory in it", path.display()))
        }
        made => made.map_err(FunctionsError::Builder),
    }
}

fn write(path: &Path, content: &mut impl Read) -> Result<[u8; 32], FunctionsError> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return refuse(format!(
                "it holds \"{}\" twice",
                path.file_name().unwrap_or_default().to_string_lossy()
            ));
        }
        opened => opened.map_err(FunctionsError::Builder)?,
    };
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = content.read(&mut buffer).map_err(|error| unreadable(&error))?;
        if count == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(&buffer[..count]);
        io::Write::write_all(&mut file, &buffer[..count]).map_err(FunctionsError::Builder)?;
    }
}

/// An archive of one directory means what is in it.
fn root_of(target: &Path, files: &BTreeMap<PathBuf, [u8; 32]>) -> PathBuf {
    let first = |path: &PathBuf| path.iter().next().map(ToOwned::to_owned);
    let top = files.keys().next().and_then(first);
    let is_alone = files.keys().all(|path| path.iter().count() > 1 && first(path) == top);
    match top {
        Some(top) if is_alone && top != "src" && top != "node_modules" => target.join(top),
        _ => target.to_owned(),
    }
}

fn checksum(files: &BTreeMap<PathBuf, [u8; 32]>) -> String {
    let mut digest = Sha256::new();
    for (path, content) in files {
        digest.update(path.to_string_lossy().as_bytes());
        digest.update([0]);
        digest.update(content);
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests;
