//! The free space of the disk: writes are refused while it is below the reserve. That there was enough is
//! believed for a moment and for so many bytes; a refusal is looked at again each time.

use crate::error::EngineError;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a look at the disk counts.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The part of the reserve that may be committed between two looks.
const RESERVE_PART: u64 = 8;

/// Watches the free space of one disk.
pub(crate) struct FreeSpace {
    path: PathBuf,
    reserve_bytes: u64,
    /// When there was enough, and what was committed since.
    enough: Option<(Instant, u64)>,
}

impl FreeSpace {
    pub(crate) fn new(path: PathBuf, reserve_bytes: u64) -> Self {
        Self { path, reserve_bytes, enough: None }
    }

    /// Refuses while the disk has less free space than the reserve.
    pub(crate) fn check(&mut self) -> Result<(), EngineError> {
        let fresh = |(at, bytes): (Instant, u64)| {
            bytes < self.reserve_bytes / RESERVE_PART && at.elapsed() < LOOK_EVERY
        };
        if self.enough.is_some_and(fresh) {
            return Ok(());
        }
        self.enough = None;
        let free = nix::sys::statvfs::statvfs(&self.path)
            .map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()))
            .map_err(|error| EngineError::Storage(Box::new(error)))?;
        if free < self.reserve_bytes {
            return Err(EngineError::DiskFull);
        }
        self.enough = Some((Instant::now(), 0));
        Ok(())
    }

    /// Counts bytes that were committed.
    pub(crate) fn took(&mut self, bytes: usize) {
        if let Some((_, taken)) = &mut self.enough {
            *taken = taken.saturating_add(bytes as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_counts_until_much_was_committed_and_a_refusal_never() {
        let directory = tempfile::tempdir().unwrap();
        let mut space = FreeSpace::new(directory.path().to_owned(), 800);
        space.check().unwrap();
        let (looked, _) = space.enough.unwrap();
        space.took(99);
        drop(directory);
        if looked.elapsed() < LOOK_EVERY {
            space.check().unwrap();
        }
        space.took(1);
        assert!(matches!(space.check(), Err(EngineError::Storage(_))));
        assert!(space.enough.is_none());
    }

    #[test]
    fn less_than_the_reserve_refuses() {
        let mut space = FreeSpace::new(std::env::temp_dir(), u64::MAX);
        assert!(matches!(space.check(), Err(EngineError::DiskFull)));
    }
}
