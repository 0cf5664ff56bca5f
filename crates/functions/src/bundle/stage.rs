//! An upload before it is bundled: what it is, what names it, and for an archive its files.

use super::archive;
use super::build::{Builder, Place};
use super::entry;
use crate::error::FunctionsError;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What was sent.
#[derive(Debug)]
pub(crate) enum Upload {
    /// One source file, to be bundled here.
    Source(Vec<u8>),
    /// A bundle, to be stored as it is.
    Bundle(Vec<u8>),
    /// A tar.gz of a directory, to be bundled here from its entry.
    Archive {
        /// The archive.
        bytes: Vec<u8>,
        /// The file to start from; found by convention where absent.
        entry: Option<String>,
    },
}

impl Upload {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Source(bytes) | Self::Bundle(bytes) | Self::Archive { bytes, .. } => bytes,
        }
    }

    /// An archive is bounded by what a request may have.
    pub(crate) fn check(&self, limit_bytes: usize) -> Result<(), FunctionsError> {
        if self.bytes().is_empty() {
            return Err(FunctionsError::Invalid(
                "the upload is empty: send `bundle` (base64) or `archive` (tar.gz)",
            ));
        }
        match self {
            Self::Source(bytes) | Self::Bundle(bytes) if bytes.len() > limit_bytes => {
                Err(FunctionsError::TooLarge { what: "upload", limit_bytes })
            }
            Self::Source(_) | Self::Bundle(_) | Self::Archive { .. } => Ok(()),
        }
    }
}

/// An upload that is ready to be bundled.
pub(crate) struct Staged<'a> {
    checksum: String,
    pub(super) what: What<'a>,
}

pub(super) enum What<'a> {
    Source(Vec<u8>),
    Bundle(Vec<u8>),
    /// Files in the directory of a bundler.
    Archive {
        place: Place<'a>,
        /// The directory that holds `package.json`.
        root: PathBuf,
        entry: PathBuf,
    },
}

impl Staged<'_> {
    /// SHA-256 in hex: of the bytes, or of an archive's files with their names.
    pub(crate) fn checksum(&self) -> &str {
        &self.checksum
    }

    /// The directory that paths of sources are told from, below the one of the bundler.
    pub(super) fn root(&self) -> &Path {
        match &self.what {
            What::Archive { place, root, .. } => root.strip_prefix(&place.path).unwrap_or(root),
            What::Source(_) | What::Bundle(_) => Path::new(""),
        }
    }

    pub(crate) fn form(&self) -> &'static str {
        match self.what {
            What::Source(_) => "source",
            What::Bundle(_) => "bundle",
            What::Archive { .. } => "archive",
        }
    }

    /// Removes what was unpacked.
    pub(crate) async fn remove(self) {
        if let What::Archive { place, .. } = self.what {
            place.remove().await;
        }
    }
}

impl Builder {
    /// Looks at an upload; an archive is unpacked, in the turn of a bundler.
    pub(crate) async fn stage(&self, upload: Upload) -> Result<Staged<'_>, FunctionsError> {
        let checksum = hex::encode(Sha256::digest(upload.bytes()));
        match upload {
            Upload::Source(code) => Ok(Staged { checksum, what: What::Source(code) }),
            Upload::Bundle(code) => Ok(Staged { checksum, what: What::Bundle(code) }),
            Upload::Archive { bytes, entry } => self.unpack(bytes, entry).await,
        }
    }

    async fn unpack(&self, bytes: Vec<u8>, entry: Option<String>) -> Result<Staged<'_>, FunctionsError> {
        let place = self.place().await?;
        let (target, limits) = (place.path.join("app"), self.archive_limits());
        let unpacked = tokio::task::spawn_blocking(move || {
            let tree = archive::unpack(&bytes, &target, limits)?;
            let entry = entry::find(&tree.root, entry.as_deref())?;
            Ok((tree, entry))
        });
        match unpacked.await.map_err(FunctionsError::from).and_then(|unpacked| unpacked) {
            Ok((tree, entry)) => {
                let what = What::Archive { place, root: tree.root, entry };
                Ok(Staged { checksum: tree.checksum, what })
            }
            Err(error) => {
                place.remove().await;
                Err(error)
            }
        }
    }
}
