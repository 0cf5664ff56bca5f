//! Places for calls of one version: so many at once, and a bounded number that waits. A place comes with an instance
//! where an idle one is there.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use worker_pool::{InvokeError, VersionSettings};

use crate::instance::Instance;
use crate::lane::Shared;
use crate::memory::Meter;
use crate::threads::Threads;

/// A place, with what runs on it.
pub(crate) struct Seat {
    pub(crate) instance: Option<Instance>,
    pub(crate) meter: Arc<Meter>,
    threads: Arc<Threads>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.threads.discard(instance);
        }
    }
}

/// An instance that waits for a call.
pub(crate) struct Idle {
    instance: Instance,
    meter: Arc<Meter>,
    since: Instant,
}

pub(crate) struct Seats {
    places: Arc<Semaphore>,
    places_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    timeout: Duration,
    idle_timeout: Duration,
    idle: Mutex<Vec<Idle>>,
    memory: Arc<AtomicI64>,
}

impl Seats {
    pub(crate) fn new(settings: &VersionSettings) -> Self {
        let places_max = settings.max_concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places_max)),
            places_max,
            waiting: AtomicUsize::new(0),
            waiting_max: settings.queue_max,
            timeout: settings.queue_timeout,
            idle_timeout: settings.idle_timeout,
            idle: Mutex::default(),
            memory: Arc::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, at once or after waiting in turn.
    pub(crate) async fn take(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let retry_after = self.timeout;
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.waiting_max {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(InvokeError::Overloaded { retry_after });
        }
        let _turn = Turn(&self.waiting);
        match tokio::time::timeout(self.timeout, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(InvokeError::Retired),
            Err(_) => Err(InvokeError::QueueTimeout { retry_after }),
        }
    }

    /// Puts an idle instance on the place, or makes it ready for a new one.
    pub(crate) fn furnish(&self, place: OwnedSemaphorePermit, lane: &Shared, limit: usize) -> Seat {
        let (instance, meter) = match self.idle().pop() {
            Some(Idle { instance, meter, .. }) => (Some(instance), meter),
            None => (None, Arc::new(Meter::new(limit, Arc::clone(&lane.memory), Arc::clone(&self.memory)))),
        };
        Seat { instance, meter, threads: Arc::clone(&lane.threads), _place: place }
    }

    /// Keeps the instance of a place for the next call.
    pub(crate) fn keep(&self, mut seat: Seat) {
        if !self.places.is_closed()
            && let Some(instance) = seat.instance.take()
        {
            let meter = Arc::clone(&seat.meter);
            self.idle().push(Idle { instance, meter, since: Instant::now() });
        }
    }

    /// What was idle for too long.
    pub(crate) fn take_stale(&self) -> Vec<Idle> {
        let Some(cut) = Instant::now().checked_sub(self.idle_timeout) else { return Vec::new() };
        self.idle().extract_if(.., |idle| idle.since < cut).collect()
    }

    /// All that is idle.
    pub(crate) fn take_idle(&self) -> Vec<Idle> {
        std::mem::take(&mut *self.idle())
    }

    /// Gives no place any more; those who wait are told.
    pub(crate) fn close(&self) {
        self.places.close();
    }

    pub(crate) fn idle_count(&self) -> usize {
        self.idle().len()
    }

    pub(crate) fn taken(&self) -> usize {
        self.places_max - self.places.available_permits()
    }

    /// What all instances hold, to within 64 KiB for each.
    pub(crate) fn memory_bytes(&self) -> u64 {
        u64::try_from(self.memory.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

/// One who waits.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
