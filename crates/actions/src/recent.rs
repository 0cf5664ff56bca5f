//! What was looked up a moment ago: bounded, and forgotten before a revocation has to show.

use quick_cache::sync::Cache;
use std::hash::Hash;

/// Milliseconds that an answer of the tables holds.
pub(crate) const FRESH_MS: i64 = 5_000;

/// A cache whose values are at most `FRESH_MS` old.
pub(crate) struct Recent<K, V>(Cache<K, (i64, V)>);

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self(Cache::new(entries_max))
    }

    pub(crate) fn get<Q>(&self, key: &Q, now_ms: i64) -> Option<V>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        let (at_ms, value) = self.0.get(key)?;
        // A clock that was set back makes nothing hold longer.
        (0..FRESH_MS).contains(&(now_ms - at_ms)).then_some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V, now_ms: i64) {
        self.0.insert(key, (now_ms, value));
    }

    /// Nothing is known any more.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    pub(crate) fn remove<Q>(&self, key: &Q)
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        self.0.remove(key);
    }
}
