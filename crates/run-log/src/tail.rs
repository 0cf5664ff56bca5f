//! Following the log of a function: wake-ups when lines were written. The lines themselves are asked for by
//! cursor, so that nothing is lost or told twice, however slow the reader is.

use service_kit::ids::FunctionId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The functions that somebody follows.
#[derive(Clone, Default)]
pub(crate) struct Tails(Arc<Mutex<HashMap<FunctionId, watch::Sender<()>>>>);

impl Tails {
    /// Wakes the receiver after each write of lines of `function` from now on.
    pub(crate) fn follow(&self, function: &FunctionId) -> watch::Receiver<()> {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tails.retain(|_, tail| tail.receiver_count() > 0);
        tails.entry(function.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Whether somebody waits for lines of `function`.
    pub(crate) fn is_followed(&self, function: &FunctionId) -> bool {
        let tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tails.get(function).is_some_and(|tail| tail.receiver_count() > 0)
    }

    /// Lines of these functions were written.
    pub(crate) fn wake<'a>(&self, functions: impl Iterator<Item = &'a FunctionId>) {
        let tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tails.is_empty() {
            return;
        }
        for tail in functions.filter_map(|function| tails.get(function)) {
            tail.send_replace(());
        }
    }
}
