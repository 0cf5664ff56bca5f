//! Sessions and API tokens that were seen lately, in memory by their hash: a check of one of them reads no
//! store. What must hold: what was revoked here is forgotten at once.

use quick_cache::sync::Cache;
use service_kit::secret::TokenHash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How exactly the time of the last use is kept: so that a busy token is not written on every check.
const USED_EXACT_MS: i64 = 1000;

/// One that stands for `holder`.
pub(crate) struct Live<T> {
    pub(crate) holder: T,
    expires_at: i64,
    used_at: AtomicI64,
    written_at: AtomicI64,
}

impl<T> Live<T> {
    /// As the store has it.
    pub(crate) fn new(holder: T, expires_at: i64, last_used_at: i64) -> Self {
        let (used_at, written_at) = (AtomicI64::new(last_used_at), AtomicI64::new(last_used_at));
        Self { holder, expires_at, used_at, written_at }
    }

    /// Notes the use; false where it has expired.
    pub(crate) fn is_used(&self, now: i64) -> bool {
        if self.expires_at <= now {
            return false;
        }
        if now - self.used_at.load(Ordering::Relaxed) >= USED_EXACT_MS {
            self.used_at.store(now, Ordering::Relaxed);
        }
        true
    }
}

/// Those in memory.
pub(crate) struct LiveSet<T> {
    kept: Cache<TokenHash, Arc<Live<T>>>,
    /// Counts revocations: what was read before one may not be kept after it.
    revocations: AtomicU64,
}

/// A moment between two revocations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before(u64);

/// When one was last used, to be written.
pub(crate) struct Used<T> {
    pub(crate) hash: TokenHash,
    pub(crate) at: i64,
    live: Arc<Live<T>>,
}

impl<T> Used<T> {
    /// It was written.
    pub(crate) fn written(&self) {
        self.live.written_at.store(self.at, Ordering::Relaxed);
    }
}

impl<T> LiveSet<T> {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self { kept: Cache::new(kept_max), revocations: AtomicU64::new(0) }
    }

    pub(crate) fn find(&self, hash: &TokenHash) -> Option<Arc<Live<T>>> {
        self.kept.get(hash)
    }

    /// To be taken before the store is read.
    pub(crate) fn before(&self) -> Before {
        Before(self.revocations.load(Ordering::SeqCst))
    }

    /// Keeps what was read from the store since `before`.
    pub(crate) fn keep(&self, hash: TokenHash, live: Arc<Live<T>>, before: Before) {
        self.kept.insert(hash, live);
        if self.before() != before {
            self.kept.remove(&hash);
        }
    }

    /// Forgets those that were revoked.
    pub(crate) fn forget(&self, revoked: &[TokenHash]) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        for hash in revoked {
            self.kept.remove(hash);
        }
    }

    /// When one in memory was last used.
    pub(crate) fn used_at(&self, hash: &TokenHash) -> Option<i64> {
        self.kept.peek(hash).map(|live| live.used_at.load(Ordering::Relaxed))
    }

    /// Those that were used since it was last written.
    pub(crate) fn used(&self) -> Vec<Used<T>> {
        let used = self.kept.iter().map(|(hash, live)| {
            let at = live.used_at.load(Ordering::Relaxed);
            Used { hash, at, live }
        });
        used.filter(|used| used.at > used.live.written_at.load(Ordering::Relaxed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn hash(text: &str) -> TokenHash {
        TokenHash::of(&SecretString::from(text))
    }

    #[test]
    fn what_was_read_before_a_revocation_is_not_kept_after_it() {
        let set = LiveSet::new(10);
        let before = set.before();
        set.forget(&[hash("a")]);
        set.keep(hash("a"), Arc::new(Live::new((), 100, 0)), before);
        assert!(set.find(&hash("a")).is_none());
        set.keep(hash("a"), Arc::new(Live::new((), 100, 0)), set.before());
        assert!(set.find(&hash("a")).is_some());
    }

    #[test]
    fn the_last_use_is_written_once() {
        let set = LiveSet::new(10);
        set.keep(hash("a"), Arc::new(Live::new((), 10_000, 0)), set.before());
        let live = set.find(&hash("a")).unwrap();
        assert!(live.is_used(500) && set.used().is_empty());
        assert!(live.is_used(5_000) && !live.is_used(10_000));
        let used = set.used();
        assert_eq!((used.len(), used[0].at), (1, 5_000));
        used[0].written();
        assert!(set.used().is_empty());
    }
}
