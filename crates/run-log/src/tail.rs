//! Following the log of a function: wake-ups when lines were written. The lines themselves are asked for by
//! cursor, so that nothing is lost or told twice, however slow the reader is.

use service_kit::ids::FunctionId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

type Followed = HashMap<FunctionId, watch::Sender<()>>;

/// The functions that somebody follows.
#[derive(Clone, Default)]
pub(crate) struct Tails(Arc<Mutex<Followed>>);

impl Tails {
    fn lock(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the receiver after each write of lines of `function` from now on.
    pub(crate) fn follow(&self, function: &FunctionId) -> watch::Receiver<()> {
        self.lock().entry(function.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Whether somebody waits for lines. Forgets functions that nobody follows any more.
    pub(crate) fn is_any(&self) -> bool {
        let mut tails = self.lock();
        tails.retain(|_, tail| tail.receiver_count() > 0);
        !tails.is_empty()
    }

    /// Lines of these functions were written.
    pub(crate) fn wake<'a>(&self, functions: impl Iterator<Item = &'a FunctionId>) {
        let tails = self.lock();
        if tails.is_empty() {
            return;
        }
        for tail in functions.filter_map(|function| tails.get(function)) {
            tail.send_replace(());
        }
    }

    /// Tells everybody that nothing more comes.
    pub(crate) fn end(&self) {
        self.lock().clear();
    }
}
