//! What time it is: that of the system, or one that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock in milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    set_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// A clock that stands still until it is set; its clones show the same.
    pub fn standing_at(now_ms: i64) -> Self {
        Self { set_ms: Some(Arc::new(AtomicI64::new(now_ms))) }
    }

    /// Sets a clock that stands still; that of the system stays as it is.
    pub fn set(&self, now_ms: i64) {
        if let Some(set_ms) = &self.set_ms {
            set_ms.store(now_ms, Ordering::Release);
        }
    }

    /// Now.
    pub fn now_ms(&self) -> i64 {
        match &self.set_ms {
            Some(set_ms) => set_ms.load(Ordering::Acquire),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
        }
    }
}
