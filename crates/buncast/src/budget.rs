//! What waits in memory, in bytes: for the whole broker, and for each realm, so that one project cannot
//! use up what others need. An event that many subscribers wait for counts once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all realms together.
#[derive(Debug)]
pub(crate) struct Total {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Total {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), bytes_max })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// The bytes of one realm.
#[derive(Debug)]
pub(crate) struct Budget {
    total: Arc<Total>,
    used: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    pub(crate) fn new(total: Arc<Total>, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicUsize::new(0), bytes_max })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the realm has used up its share, or nearly.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used() >= self.bytes_max / 2
    }

    /// Counts `bytes`, if there is room.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let charge = self.charge_anyway(bytes);
        let fits =
            self.used.load(Ordering::Relaxed) <= self.bytes_max && self.total.used() <= self.total.bytes_max;
        fits.then_some(charge)
    }

    /// Counts `bytes` that are in memory already.
    pub(crate) fn charge_anyway(self: &Arc<Self>, bytes: usize) -> Charge {
        let charge = Charge { budget: self.clone(), bytes: AtomicUsize::new(0) };
        charge.add(bytes);
        charge
    }
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: AtomicUsize,
}

impl Charge {
    /// Another charge on the same budget.
    pub(crate) fn same(&self, bytes: usize) -> Self {
        self.budget.charge_anyway(bytes)
    }

    /// Counts more.
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        self.budget.total.used.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.total.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_ends_at_its_share_and_all_at_the_total() {
        let total = Total::new(100);
        let (one, two) = (Budget::new(total.clone(), 80), Budget::new(total.clone(), 80));
        let held = one.charge(80).unwrap();
        assert!(one.charge(1).is_none());
        assert!(two.charge(21).is_none());
        let other = two.charge(20).unwrap();
        drop(held);
        assert_eq!(total.used(), 20);
        other.add(5);
        drop(other);
        assert_eq!(total.used(), 0);
    }
}
