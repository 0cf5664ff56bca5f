//! Calls that wait for a slot: first come, first served, and bounded.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::InvokeError;
use crate::slot::Slot;

type Place = oneshot::Sender<Result<Slot, InvokeError>>;

pub(crate) struct Queue {
    places: Mutex<VecDeque<Place>>,
    /// Length of `places`, to be read without the lock on each call.
    length: AtomicUsize,
    length_max: usize,
}

impl Queue {
    pub(crate) fn new(length_max: usize) -> Self {
        Self { places: Mutex::default(), length: AtomicUsize::new(0), length_max }
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A place at the end, or none where the queue is full.
    pub(crate) fn join(&self) -> Option<oneshot::Receiver<Result<Slot, InvokeError>>> {
        let mut places = self.lock();
        if places.len() >= self.length_max {
            places.retain(|place| !place.is_closed());
        }
        let (place, served) = oneshot::channel();
        let joined = places.len() < self.length_max;
        if joined {
            places.push_back(place);
        }
        self.length.store(places.len(), Ordering::Release);
        joined.then_some(served)
    }

    /// Removes the places of those who do not wait any more.
    pub(crate) fn forget_gone(&self) {
        let mut places = self.lock();
        places.retain(|place| !place.is_closed());
        self.length.store(places.len(), Ordering::Release);
    }

    /// Gives the slot to the first who still waits; `None` (and the slot is free again) where nobody does.
    pub(crate) fn serve(&self, slot: Slot) -> Option<()> {
        let mut offer = Ok(slot);
        loop {
            let place = {
                let mut places = self.lock();
                let place = places.pop_front();
                self.length.store(places.len(), Ordering::Release);
                place?
            };
            match place.send(offer) {
                Ok(()) => return Some(()),
                Err(refused) => offer = refused,
            }
        }
    }

    pub(crate) fn fail_all(&self, error: impl Fn() -> InvokeError) {
        let places = std::mem::take(&mut *self.lock());
        self.length.store(0, Ordering::Release);
        for place in places {
            let _ = place.send(Err(error()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
