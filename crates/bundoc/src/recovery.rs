//! What opening a store found: cut bytes, lost commits.

use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The end of a journal that was cut because no valid batch begins there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The journal.
    pub file: PathBuf,
    /// Where the cut is.
    pub offset: u64,
    /// Bytes that were cut, trailing zeros not counted.
    pub bytes: u64,
    /// Where the cut bytes are kept.
    pub kept_in: PathBuf,
}

/// What opening a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecoveryReport {
    /// The last commit that is there.
    pub last_commit: u64,
    /// A torn end of the journal: the write that a crash interrupted, which nobody was told about.
    pub cut: Option<CutTail>,
    /// Commits that had been recorded as durable and are not there: damage took them.
    pub lost: Option<RangeInclusive<u64>>,
}

impl RecoveryReport {
    pub(crate) fn new(cut: Option<CutTail>, last_commit: u64, promised: u64) -> Self {
        let lost = (promised > last_commit).then(|| last_commit + 1..=promised);
        Self { last_commit, cut, lost }
    }

    /// The next commit number: a lost one is not used again, somebody may have seen it.
    pub(crate) fn first_free_commit(&self) -> u64 {
        self.lost.as_ref().map_or(self.last_commit, |lost| *lost.end()) + 1
    }

    pub(crate) fn log(&self) {
        if let Some(cut) = &self.cut {
            tracing::warn!(
                file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes,
                kept_in = %cut.kept_in.display(), "cut the torn end of a journal"
            );
        }
        if let Some(lost) = &self.lost {
            tracing::error!(
                first = lost.start(),
                last = lost.end(),
                "commits that were durable are lost: restore the store from a copy where they matter"
            );
        }
    }
}
