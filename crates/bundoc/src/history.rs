//! What recent commits changed, kept in memory for those who read from an older snapshot and have to know
//! what happened since: transactions, and writes by a filter. Kept for each database by itself, only while
//! somebody holds on to it, and not beyond a number of bytes and an age.
//!
//! What must hold: whoever takes hold and then takes a snapshot finds every later commit here. The committer
//! adds a group after it is in the store: either the snapshot has it, or it was added after the hold began.

use crate::catalog::Collection;
use crate::engine::{DatabaseName, DocumentId};
use crate::error::{EngineError, Limit};
use crate::options::EngineOptions;
use fjall::Slice;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a record takes beside the bytes of its documents.
const RECORD_BYTES: usize = 128;

/// One document that a commit changed, as stored bytes.
#[derive(Clone)]
pub(crate) struct Changed {
    pub(crate) commit: u64,
    pub(crate) collection: Arc<Collection>,
    pub(crate) id: DocumentId,
    pub(crate) before: Option<Slice>,
    pub(crate) after: Option<Slice>,
}

impl Changed {
    fn bytes(&self) -> usize {
        let length = |stored: &Option<Slice>| stored.as_ref().map_or(0, |stored| stored.len());
        RECORD_BYTES + self.id.as_str().len() + length(&self.before) + length(&self.after)
    }
}

/// Who needs the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Transaction,
    Write,
}

/// The history of all databases.
pub(crate) struct History {
    logs: Mutex<Logs>,
    bytes_max: usize,
    age_max: Duration,
    transactions_per_database_max: usize,
    transactions: AtomicU64,
    conflicts: AtomicU64,
}

#[derive(Default)]
struct Logs {
    databases: HashMap<DatabaseName, Log>,
    next_hold: u64,
    bytes: usize,
}

/// What happened in one database.
#[derive(Default)]
struct Log {
    holds: BTreeMap<u64, Held>,
    groups: VecDeque<Kept>,
    bytes: usize,
    /// Commits up to here are not there.
    floor: u64,
}

struct Held {
    holder: Holder,
    begun: Instant,
    /// The snapshot; later commits are needed. Zero until it is taken.
    since: u64,
}

struct Kept {
    last: u64,
    changes: Arc<[Changed]>,
    bytes: usize,
}

/// While this lives, the history of a database is kept for it.
pub(crate) struct Hold {
    history: Arc<History>,
    database: DatabaseName,
    number: u64,
}

impl History {
    pub(crate) fn new(options: &EngineOptions) -> Self {
        Self {
            logs: Mutex::default(),
            bytes_max: options.history_bytes_max,
            age_max: options.transaction_age_max,
            transactions_per_database_max: options.transactions_per_database_max,
            transactions: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        }
    }

    /// Keeps what happens in a database from now on.
    pub(crate) fn hold(
        self: &Arc<Self>,
        database: &DatabaseName,
        holder: Holder,
    ) -> Result<Hold, EngineError> {
        let mut logs = self.lock();
        let number = logs.next_hold;
        let log = logs.databases.entry(database.clone()).or_default();
        if holder == Holder::Transaction {
            let open = log.holds.values().filter(|held| held.holder == Holder::Transaction).count();
            if open >= self.transactions_per_database_max {
                return Err(EngineError::limit(
                    Limit::TransactionsPerDatabase,
                    format!("a database has {open} open transactions at the most; commit or abort some"),
                ));
            }
            self.transactions.fetch_add(1, Ordering::Relaxed);
        }
        log.holds.insert(number, Held { holder, begun: Instant::now(), since: 0 });
        logs.next_hold += 1;
        Ok(Hold { history: Arc::clone(self), database: database.clone(), number })
    }

    /// Adds what a group that is in the store changed in a database.
    pub(crate) fn add(&self, database: &DatabaseName, changes: Vec<Changed>) {
        let Some(last) = changes.last().map(|change| change.commit) else { return };
        let mut logs = self.lock();
        let Some(log) = logs.databases.get_mut(database) else { return };
        let bytes = changes.iter().map(Changed::bytes).sum();
        log.groups.push_back(Kept { last, changes: changes.into(), bytes });
        log.bytes += bytes;
        let freed = log.forget_before(log.oldest_needed(self.age_max));
        logs.bytes = logs.bytes + bytes - freed;
        logs.shrink(self.bytes_max);
    }

    /// What happened in a database after a commit, oldest first. The first group may reach further back.
    pub(crate) fn since(
        &self,
        database: &DatabaseName,
        commit: u64,
    ) -> Result<Vec<Arc<[Changed]>>, EngineError> {
        let logs = self.lock();
        let log = logs.databases.get(database).ok_or(EngineError::TransactionExpired)?;
        if commit < log.floor {
            return Err(EngineError::TransactionExpired);
        }
        let first = log.groups.partition_point(|group| group.last <= commit);
        Ok(log.groups.range(first..).map(|group| Arc::clone(&group.changes)).collect())
    }

    /// Counts a transaction that others got in the way of.
    pub(crate) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// Open transactions, conflicts so far, bytes.
    pub(crate) fn numbers(&self) -> (u64, u64, u64) {
        let bytes = self.lock().bytes as u64;
        (self.transactions.load(Ordering::Relaxed), self.conflicts.load(Ordering::Relaxed), bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs {
    /// Forgets the oldest of the database that has most, until no more than so many bytes are left.
    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(largest) = self.databases.values_mut().max_by_key(|log| log.bytes) else { return };
            let Some(oldest) = largest.groups.front().map(|group| group.last) else { return };
            self.bytes -= largest.forget_before(oldest);
        }
    }
}

impl Log {
    /// The oldest snapshot of those that are not too old: what is not after it is not needed.
    fn oldest_needed(&self, age_max: Duration) -> u64 {
        let needed = self.holds.values().filter(|held| held.begun.elapsed() <= age_max);
        needed.map(|held| held.since).min().unwrap_or(u64::MAX)
    }

    /// Forgets groups that end at `commit` or before it; returns how many bytes that were.
    fn forget_before(&mut self, commit: u64) -> usize {
        let mut freed = 0;
        while let Some(group) = self.groups.pop_front_if(|group| group.last <= commit) {
            freed += group.bytes;
            self.floor = group.last;
        }
        self.bytes -= freed;
        freed
    }
}

impl Hold {
    /// Only what is after this commit is needed.
    pub(crate) fn needs_after(&self, commit: u64) {
        let mut logs = self.history.lock();
        if let Some(held) =
            logs.databases.get_mut(&self.database).and_then(|log| log.holds.get_mut(&self.number))
        {
            held.since = commit;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut logs = self.history.lock();
        let Some(log) = logs.databases.get_mut(&self.database) else { return };
        if log.holds.remove(&self.number).is_some_and(|held| held.holder == Holder::Transaction) {
            self.history.transactions.fetch_sub(1, Ordering::Relaxed);
        }
        let freed = log.forget_before(log.oldest_needed(self.history.age_max));
        if log.holds.is_empty() {
            logs.databases.remove(&self.database);
        }
        logs.bytes -= freed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::CollectionName;

    fn history(bytes_max: usize) -> Arc<History> {
        let options = EngineOptions { history_bytes_max: bytes_max, ..EngineOptions::default() };
        Arc::new(History::new(&options))
    }

    fn name(text: &str) -> DatabaseName {
        DatabaseName::parse(text).unwrap()
    }

    fn change(commit: u64) -> Vec<Changed> {
        let collection = Collection::new(1, CollectionName::parse("c").unwrap(), Default::default());
        let id = DocumentId::parse("x").unwrap();
        let after = Some(Slice::from(&[0; 100][..]));
        vec![Changed { commit, collection: Arc::new(collection), id, before: None, after }]
    }

    #[test]
    fn nothing_is_kept_while_nobody_needs_it_and_nothing_longer_than_needed() {
        let history = history(usize::MAX);
        history.add(&name("a"), change(1));
        assert_eq!(history.numbers().2, 0);
        let older = history.hold(&name("a"), Holder::Transaction).unwrap();
        older.needs_after(1);
        let newer = history.hold(&name("a"), Holder::Write).unwrap();
        history.add(&name("a"), change(2));
        history.add(&name("b"), change(3));
        newer.needs_after(2);
        history.add(&name("a"), change(4));
        assert_eq!(history.since(&name("a"), 1).unwrap().len(), 2);
        assert_eq!(history.since(&name("a"), 2).unwrap().len(), 1);
        assert_eq!(history.numbers().0, 1);
        drop(older);
        assert!(matches!(history.since(&name("a"), 1), Err(EngineError::TransactionExpired)));
        assert_eq!(history.since(&name("a"), 2).unwrap().len(), 1);
        drop(newer);
        assert_eq!(history.numbers(), (0, 0, 0));
    }

    #[test]
    fn over_the_budget_the_oldest_of_the_busiest_database_goes() {
        let history = history(600);
        let quiet = history.hold(&name("quiet"), Holder::Transaction).unwrap();
        let busy = history.hold(&name("busy"), Holder::Transaction).unwrap();
        history.add(&name("quiet"), change(1));
        for commit in 2..20 {
            history.add(&name("busy"), change(commit));
        }
        assert!(history.numbers().2 <= 600);
        assert_eq!(history.since(&name("quiet"), 0).unwrap().len(), 1);
        assert!(matches!(history.since(&name("busy"), 2), Err(EngineError::TransactionExpired)));
        assert!(!history.since(&name("busy"), 18).unwrap().is_empty());
        drop((quiet, busy));
    }

    #[test]
    fn a_hold_that_is_too_old_keeps_nothing() {
        let options = EngineOptions { transaction_age_max: Duration::ZERO, ..EngineOptions::default() };
        let history = Arc::new(History::new(&options));
        let hold = history.hold(&name("a"), Holder::Transaction).unwrap();
        history.add(&name("a"), change(1));
        assert_eq!(history.numbers().2, 0);
        assert!(history.since(&name("a"), 0).is_err());
        drop(hold);
    }

    #[test]
    fn a_database_has_only_so_many_transactions() {
        let options = EngineOptions { transactions_per_database_max: 1, ..EngineOptions::default() };
        let history = Arc::new(History::new(&options));
        let first = history.hold(&name("a"), Holder::Transaction).unwrap();
        let refused = history.hold(&name("a"), Holder::Transaction).map(|_| ());
        assert!(matches!(refused, Err(EngineError::LimitExceeded { .. })));
        history.hold(&name("b"), Holder::Transaction).unwrap();
        drop(first);
        history.hold(&name("a"), Holder::Transaction).unwrap();
    }
}
