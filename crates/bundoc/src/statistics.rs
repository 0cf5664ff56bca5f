//! Statistics of indexes: how many entries, and the keys that part them into pieces of equal size, from which
//! follows about how many entries a range has. Taken by a thread of its own when a plan first needs them, by
//! one walk over the index; taken again once a fifth of the entries was written since. A bounded number of
//! them is kept, the longest unused go.

use crate::catalog::IndexShape;
use crate::error::EngineError;
use crate::layout::{Id, PAIR_BYTES, Space};
use crate::store::{KeyRange, Store, View};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Pieces of an index: between half as many and so many.
const PIECES_MAX: usize = 256;
/// Bytes that are kept of a key.
const KEY_BYTES: usize = 40;
/// Indexes whose statistics are kept: at most 10 KiB each.
const KEPT_MAX: usize = 1_024;
/// Indexes that wait for their statistics.
const WAITING_MAX: usize = 256;
/// Entries between two looks at whether the store is being closed.
const LOOK_EVERY: u64 = 256;
/// Writes that make no statistics old, of whatever size the index is.
const WRITES_MIN: u64 = 1_000;

/// What is known of one index.
#[derive(Debug, Default)]
pub(crate) struct IndexStatistics {
    /// Entries.
    pub(crate) entries: u64,
    /// Every so many entries the beginning of a key; without the numbers of database and index.
    keys: Vec<Box<[u8]>>,
    step: u64,
    /// What the counter of writes stood at.
    writes: u64,
}

/// Statistics of all indexes.
#[derive(Default)]
pub(crate) struct Statistics {
    state: Mutex<State>,
    wake: Condvar,
    closing: AtomicBool,
}

#[derive(Default)]
struct State {
    kept: HashMap<Id, Kept>,
    /// Indexes to walk over, and the one that is walked over.
    waiting: HashSet<Id>,
    requests: VecDeque<Request>,
    uses: u64,
}

struct Kept {
    statistics: Arc<IndexStatistics>,
    used: u64,
}

struct Request {
    shape: Arc<IndexShape>,
    /// Its numbers: all its keys begin with them.
    prefix: Vec<u8>,
}

impl Statistics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an index.
    pub(crate) fn known(&self, index: Id) -> Option<Arc<IndexStatistics>> {
        self.state().kept.get(&index).map(|kept| Arc::clone(&kept.statistics))
    }

    /// What is known of an index that is needed now; has it found out where that is nothing, or old.
    pub(crate) fn of(&self, shape: &Arc<IndexShape>, ranges: &[KeyRange]) -> Option<Arc<IndexStatistics>> {
        let mut state = self.state();
        state.uses += 1;
        let used = state.uses;
        let known = state.kept.get_mut(&shape.id).map(|kept| {
            kept.used = used;
            Arc::clone(&kept.statistics)
        });
        let wanted = known.as_ref().is_none_or(|known| known.is_old(shape));
        if wanted
            && state.requests.len() < WAITING_MAX
            && let Some(prefix) = ranges.first().and_then(numbers)
            && state.waiting.insert(shape.id)
        {
            state.requests.push_back(Request { shape: Arc::clone(shape), prefix });
            self.wake.notify_one();
        }
        known
    }

    /// Ends `run`.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // Under the lock, so that `run` is not between its look and its wait.
        let _state = self.state();
        self.wake.notify_all();
    }

    fn next_request(&self) -> Option<Request> {
        let mut state = self.state();
        loop {
            if self.closing.load(Ordering::Acquire) {
                return None;
            }
            if let Some(request) = state.requests.pop_front() {
                return Some(request);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes statistics as they are asked for, until `close`.
    pub(crate) fn run(&self, store: &Store) {
        while let Some(Request { shape, prefix }) = self.next_request() {
            let taken = IndexStatistics::take(&store.view(), &shape, &prefix, &self.closing);
            let mut state = self.state();
            state.waiting.remove(&shape.id);
            match taken {
                Ok(Some(statistics)) => state.keep(shape.id, statistics),
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, index = %shape.name, "statistics could not be taken"),
            }
        }
    }
}

/// The numbers of database and index that the keys of a range begin with.
fn numbers(range: &KeyRange) -> Option<Vec<u8>> {
    match &range.from {
        Bound::Included(key) | Bound::Excluded(key) => key.get(..PAIR_BYTES).map(<[u8]>::to_vec),
        Bound::Unbounded => None,
    }
}

impl State {
    fn keep(&mut self, index: Id, statistics: IndexStatistics) {
        if self.kept.len() >= KEPT_MAX && !self.kept.contains_key(&index) {
            let longest_unused = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id);
            longest_unused.map(|id| self.kept.remove(&id));
        }
        self.kept.insert(index, Kept { statistics: Arc::new(statistics), used: self.uses });
    }
}

impl IndexStatistics {
    /// Walks over an index; `None` where the store is being closed.
    pub(crate) fn take(
        view: &View<'_>,
        shape: &IndexShape,
        prefix: &[u8],
        closing: &AtomicBool,
    ) -> Result<Option<Self>, EngineError> {
        let writes = shape.writes.load(Ordering::Relaxed);
        let mut taken = Self { step: 1, writes, ..Self::default() };
        for entry in view.ascending(Space::Indexes, KeyRange::prefix(prefix)) {
            let (key, _) = entry?;
            if taken.entries.is_multiple_of(LOOK_EVERY) && closing.load(Ordering::Acquire) {
                return Ok(None);
            }
            taken.add(&key[PAIR_BYTES..]);
        }
        Ok(Some(taken))
    }

    /// The next entry in the order of keys.
    fn add(&mut self, key: &[u8]) {
        if self.entries.is_multiple_of(self.step) {
            if self.keys.len() == PIECES_MAX {
                let mut place = 0;
                self.keys.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.step *= 2;
            }
            if self.entries.is_multiple_of(self.step) {
                self.keys.push(Box::from(&key[..key.len().min(KEY_BYTES)]));
            }
        }
        self.entries += 1;
    }

    fn is_old(&self, shape: &IndexShape) -> bool {
        let written = shape.writes.load(Ordering::Relaxed).saturating_sub(self.writes);
        written > WRITES_MIN.max(self.entries / 5)
    }

    /// About how many entries a range has.
    pub(crate) fn entries_in(&self, range: &KeyRange) -> u64 {
        let own = |key: &Vec<u8>| key.get(PAIR_BYTES..).map(<[u8]>::to_vec);
        let (low, high) = match (&range.from, &range.to) {
            (Bound::Unbounded, _) => (Some(Vec::new()), None),
            (Bound::Included(from) | Bound::Excluded(from), Bound::Unbounded) => (own(from), None),
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                (own(from), (from.get(..PAIR_BYTES) == to.get(..PAIR_BYTES)).then(|| own(to)).flatten())
            }
        };
        let before = |key: &[u8]| self.keys.partition_point(|known| &**known < key) as u64;
        let low = before(&low.unwrap_or_default());
        let high = high.map_or(self.keys.len() as u64, |high| before(&high));
        // On average half a piece at each end is not counted by the keys in between.
        (high.saturating_sub(low) * self.step).min(self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Vec<u8> {
        [&[0_u8; PAIR_BYTES][..], &number.to_be_bytes()].concat()
    }

    #[test]
    fn ranges_are_estimated_within_a_piece() {
        for entries in [0_u32, 1, 100, 256, 257, 100_000] {
            let mut statistics = IndexStatistics { step: 1, ..IndexStatistics::default() };
            (0..entries).for_each(|number| statistics.add(&key(number)[PAIR_BYTES..]));
            assert_eq!(statistics.entries, u64::from(entries));
            assert!(statistics.keys.len() <= PIECES_MAX);
            for (from, to) in [(0, entries), (entries / 4, entries / 2), (entries / 3, entries / 3)] {
                let range = KeyRange { from: Bound::Included(key(from)), to: Bound::Excluded(key(to)) };
                let (estimate, real) = (statistics.entries_in(&range), u64::from(to - from));
                assert!(
                    estimate.abs_diff(real) <= statistics.step,
                    "{entries}: {from} to {to} is {estimate}"
                );
            }
        }
    }

    #[test]
    fn a_bounded_number_is_kept_and_the_longest_unused_go() {
        let mut state = State::default();
        for index in 0..KEPT_MAX as u32 + 10 {
            state.uses += 1;
            state.keep(index, IndexStatistics::default());
        }
        assert_eq!(state.kept.len(), KEPT_MAX);
        assert!(!state.kept.contains_key(&0) && state.kept.contains_key(&10));
    }
}
