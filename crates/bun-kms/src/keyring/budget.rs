//! How many messages a version of a key may still encrypt. They are set aside in the store in blocks, so
//! that most of them cost no write; what was set aside and not used is lost with a restart, never counted
//! twice.

use std::sync::atomic::{AtomicU64, Ordering};

/// Messages set aside at a time.
pub(crate) const BLOCK: u64 = 1 << 12;

/// The messages of the active version.
pub(crate) struct Budget {
    used: AtomicU64,
    reserved: AtomicU64,
    /// One at a time sets more aside.
    pub(crate) reserving: tokio::sync::Mutex<()>,
}

impl Budget {
    /// All that was set aside before counts as used.
    pub(crate) fn new(reserved: u64) -> Self {
        Self {
            used: AtomicU64::new(reserved),
            reserved: AtomicU64::new(reserved),
            reserving: tokio::sync::Mutex::new(()),
        }
    }

    /// Takes one message; says whether there was one.
    pub(crate) fn take(&self) -> bool {
        let reserved = self.reserved.load(Ordering::Acquire);
        let next = |used| (used < reserved).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// Whether there is one to take.
    pub(crate) fn has_some(&self) -> bool {
        self.used.load(Ordering::Acquire) < self.reserved.load(Ordering::Acquire)
    }

    /// More were set aside, up to `reserved`.
    pub(crate) fn extend(&self, reserved: u64) {
        self.reserved.fetch_max(reserved, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_aside_is_taken_once() {
        let budget = Budget::new(5);
        assert!(!budget.take());
        budget.extend(8);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| usize::from(budget.take()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 3);
        assert!(!budget.take());
    }
}
