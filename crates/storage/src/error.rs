//! What can go wrong inside the object store.

use ports::objects::ObjectError;
use service_kit::error::{Classify, ErrorCode};
use sql::SqlError;
use std::io;
use std::path::PathBuf;

/// An error of the files or of the table of objects.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory of the bytes cannot be made or read.
    #[error("cannot use the directory {path}", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written or read.
    #[error("a file of the object store failed")]
    File(#[source] io::Error),
    /// The disk is full.
    #[error("the disk is full: nothing was stored, reading goes on")]
    DiskFull(#[source] io::Error),
    /// The bytes of an object are missing, or are not as many as they were.
    #[error(
        "the file {file} of an object is missing or damaged: restore it from a copy, or put the object again"
    )]
    Damaged {
        /// The name of the file, which is no object's name.
        file: String,
    },
    /// The system has no randomness to give.
    #[error("the operating system gave no randomness")]
    NoRandomness,
    /// The table failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl StorageError {
    /// The error of writing a file.
    pub(crate) fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(error),
            _ => Self::File(error),
        }
    }
}

impl Classify for StorageError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::DiskFull(_) => ErrorCode::DiskFull,
            Self::Sql(error) => error.code(),
            Self::NoRandomness => ErrorCode::Unavailable,
            Self::Directory { .. } | Self::File(_) | Self::Damaged { .. } => ErrorCode::Internal,
        }
    }
}

impl From<StorageError> for ObjectError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::DiskFull(_) | StorageError::Sql(SqlError::DiskFull(_)) => Self::DiskFull,
            other => Self::Failed(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_one() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = ObjectError::from(StorageError::writing(io::Error::from(kind)));
            assert_eq!(error.code(), ErrorCode::DiskFull);
        }
        let other =
            ObjectError::from(StorageError::writing(io::Error::from(io::ErrorKind::PermissionDenied)));
        assert_eq!(other.code(), ErrorCode::Internal);
    }
}
