//! fjall: opens the keyspaces, reads, commits batches, and turns its errors into ours. Owns the handles;
//! knows keys only as bytes.
//!
//! What must hold: a view sees a batch in whole or not at all. fjall 3.1 alone does not see to that: a table that is
//! written out or merged while a batch is applied gets the next number and makes everything below it visible, the half
//! of the batch that is applied too. So a view that may have been taken then is taken again behind the batch.

use crate::error::EngineError;
use crate::layout::{LAST_COMMIT, Space};
use crate::options::EngineOptions;
use crate::statistics::Statistics;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice, Snapshot};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// How often it is looked whether tables are written out: fjall tells nobody.
const WRITE_OUT_POLL: Duration = Duration::from_millis(2);
/// Tables in memory that may wait to be written out before a commit waits. fjall waits at 4, inside of a commit.
const SEALED_MAX: usize = 1;
/// New tables on disk that may wait to be merged before a commit waits; fjall slows down at 20 and waits at 30.
const UNMERGED_MAX: usize = 24;
/// How long a commit waits for merging: it is asked for with the next table only.
const MERGE_WAIT_MAX: Duration = Duration::from_secs(1);

/// How often a reader looks whether the batch that is in its way is applied.
const APPLY_POLL: Duration = Duration::from_micros(50);
/// No batch is being applied.
const NONE: u64 = u64::MAX;

/// The open keyspaces.
pub(crate) struct Store {
    database: Database,
    spaces: Vec<Keyspace>,
    statistics: Statistics,
    /// The batch that is being applied has this sequence number or a higher one.
    applying: AtomicU64,
}

/// While it lives, a batch is being applied.
struct Applying<'a>(&'a AtomicU64);

impl Drop for Applying<'_> {
    fn drop(&mut self) {
        self.0.store(NONE, SeqCst);
    }
}

/// A consistent view of all keyspaces.
#[derive(Clone)]
pub(crate) struct View<'a> {
    store: &'a Store,
    snapshot: Snapshot,
}

/// Keys and values in key order.
pub(crate) type Entries = Box<dyn Iterator<Item = Result<(Slice, Slice), EngineError>>>;

/// A range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// First key.
    pub(crate) from: Bound<Vec<u8>>,
    /// Last key.
    pub(crate) to: Bound<Vec<u8>>,
}

impl KeyRange {
    /// All keys with a prefix.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        let to = crate::key::prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self { from: Bound::Included(prefix.to_vec()), to }
    }
}

impl Store {
    /// Opens or creates the store in `path`, which nobody else may have open.
    pub(crate) fn open(path: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        let database = Database::builder(path)
            .cache_size(options.cache_bytes)
            .worker_threads(options.worker_threads)
            .max_journaling_size(options.journal_bytes_max)
            .open()
            .map_err(|error| storage_error(error, path))?;
        let create = || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
        let spaces = Space::ALL
            .iter()
            .map(|(_, name)| database.keyspace(name, create).map_err(|error| storage_error(error, path)))
            .collect::<Result<_, _>>()?;
        Ok(Self { database, spaces, statistics: Statistics::default(), applying: AtomicU64::new(NONE) })
    }

    /// What is known of the indexes in it.
    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }

    /// The newest value of a key.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice>, EngineError> {
        self.space(space).get(key).map_err(read_error)
    }

    /// A consistent view.
    pub(crate) fn view(&self) -> View<'_> {
        self.view_of(&self.snapshot())
    }

    /// What a view is of. While it lives, old values that it sees are kept.
    pub(crate) fn snapshot(&self) -> Snapshot {
        loop {
            let snapshot = self.database.snapshot();
            // What is visible only grows: the snapshot sees what is below this, and so nothing of the batch.
            if self.database.visible_seqno() <= self.applying.load(SeqCst) {
                return snapshot;
            }
            drop(snapshot);
            std::thread::sleep(APPLY_POLL);
        }
    }

    /// The view of a snapshot.
    pub(crate) fn view_of(&self, snapshot: &Snapshot) -> View<'_> {
        View { store: self, snapshot: snapshot.clone() }
    }

    /// Commits `writes` as one batch, durable on return. `None` removes.
    pub(crate) fn commit(
        &self,
        writes: impl Iterator<Item = ((Space, Slice), Option<Slice>)>,
    ) -> Result<(), EngineError> {
        self.wait_for_room()?;
        let mut writes: Vec<_> = writes.collect();
        // In the order of keys they go into the tables in memory faster, which tells where there are many.
        writes.sort_unstable_by(|((space, key), _), ((other_space, other), _)| {
            (*space as usize, key).cmp(&(*other_space as usize, other))
        });
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), writes.len())
            .durability(Some(PersistMode::SyncData));
        for ((space, key), value) in writes {
            match value {
                Some(value) => batch.insert(self.space(space), key, value),
                None => batch.remove(self.space(space), key),
            }
        }
        self.applying.store(self.database.seqno(), SeqCst);
        let _applying = Applying(&self.applying);
        batch.commit().map_err(|error| write_error(&error))
    }

    /// Waits until fjall can take a batch without waiting inside of it: where its workers ended at a disk error,
    /// it would wait there for ever.
    fn wait_for_room(&self) -> Result<(), EngineError> {
        let begun = Instant::now();
        let behind = |space: &Keyspace| {
            space.sealed_memtable_count() > SEALED_MAX
                || (space.l0_table_count() > UNMERGED_MAX && begun.elapsed() < MERGE_WAIT_MAX)
        };
        while self.spaces.iter().any(behind) {
            // Fails once a worker has failed; it syncs nothing.
            self.database.persist(PersistMode::Buffer).map_err(|error| write_error(&error))?;
            std::thread::sleep(WRITE_OUT_POLL);
        }
        Ok(())
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or_default()
    }

    /// Writes what is in memory out to tables.
    pub(crate) fn write_out_memtables(&self) -> Result<(), EngineError> {
        for space in &self.spaces {
            space.rotate_memtable().map_err(|error| write_error(&error))?;
        }
        Ok(())
    }

    /// Writes what is in memory out to tables and waits for that; whether it was done in time.
    pub(crate) fn write_out_and_wait(&self, time_max: Duration) -> Result<bool, EngineError> {
        let begun = Instant::now();
        self.write_out_memtables()?;
        while self.spaces.iter().any(|space| space.sealed_memtable_count() > 0) {
            if begun.elapsed() > time_max {
                return Ok(false);
            }
            std::thread::sleep(WRITE_OUT_POLL);
        }
        Ok(true)
    }

    /// Makes everything durable.
    pub(crate) fn persist(&self) -> Result<(), EngineError> {
        self.database.persist(PersistMode::SyncAll).map_err(|error| write_error(&error))
    }
}

impl View<'_> {
    /// The last commit in it: every group of writes carries its number.
    pub(crate) fn commit(&self) -> Result<u64, EngineError> {
        let number = self.get(Space::Meta, LAST_COMMIT)?;
        number.map_or(Ok(0), |number| crate::catalog::record::number(&number))
    }

    /// What is known of the indexes of its store.
    pub(crate) fn statistics(&self) -> &Statistics {
        &self.store.statistics
    }

    /// The value of a key.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice>, EngineError> {
        self.snapshot.get(self.store.space(space), key).map_err(read_error)
    }

    /// The entries of a range, ascending.
    pub(crate) fn ascending(&self, space: Space, range: KeyRange) -> Entries {
        Box::new(self.iterator(space, range).map(|guard| guard.into_inner().map_err(read_error)))
    }

    /// The entries of a range, descending.
    pub(crate) fn descending(&self, space: Space, range: KeyRange) -> Entries {
        Box::new(self.iterator(space, range).rev().map(|guard| guard.into_inner().map_err(read_error)))
    }

    fn iterator(&self, space: Space, range: KeyRange) -> fjall::Iter {
        if is_empty(&range) {
            // The range of an ordered map panics where the ends are the wrong way round.
            return self
                .snapshot
                .range(self.store.space(space), (Bound::Excluded(vec![0]), Bound::Included(vec![0])));
        }
        self.snapshot.range(self.store.space(space), (range.from, range.to))
    }
}

fn is_empty(range: &KeyRange) -> bool {
    match (&range.from, &range.to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to) | Bound::Included(to)) => {
            from >= to
        }
        _ => false,
    }
}

fn is_disk_full(error: &fjall::Error) -> bool {
    let full = |error: &std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    };
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => full(error),
        _ => false,
    }
}

fn is_damage(error: &fjall::Error) -> bool {
    use fjall::LsmError as Lsm;
    matches!(
        error,
        fjall::Error::Storage(
            Lsm::ChecksumMismatch { .. }
                | Lsm::InvalidHeader(_)
                | Lsm::InvalidTag(_)
                | Lsm::InvalidTrailer
                | Lsm::Decompress(_)
                | Lsm::Unrecoverable
                | Lsm::Utf8(_)
        ) | fjall::Error::JournalRecovery(_)
            | fjall::Error::Decompress(_)
            | fjall::Error::InvalidTrailer
            | fjall::Error::InvalidTag(_)
            | fjall::Error::Unrecoverable
    )
}

fn storage_error(error: fjall::Error, path: &Path) -> EngineError {
    match error {
        fjall::Error::Locked => EngineError::Locked { path: path.display().to_string() },
        error if is_disk_full(&error) => EngineError::DiskFull,
        error if is_damage(&error) => EngineError::Damaged(format!(
            "the document store in {} is damaged ({error}): restore it from a copy",
            path.display()
        )),
        error => EngineError::Storage(Box::new(error)),
    }
}

fn read_error(error: fjall::Error) -> EngineError {
    if is_damage(&error) {
        tracing::error!(%error, "a table of the document store is damaged");
        return EngineError::Damaged(
            "a file of the document store is damaged: stop the server and restore the store from a copy"
                .into(),
        );
    }
    EngineError::Storage(Box::new(error))
}

fn write_error(error: &fjall::Error) -> EngineError {
    tracing::error!(%error, "commit failed, the document store takes no more writes");
    if is_disk_full(error) { EngineError::DiskFull } else { EngineError::WritesStopped }
}

#[cfg(test)]
mod tests;
