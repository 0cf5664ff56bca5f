//! Wake-ups for readers of change feeds: one channel for each database that somebody watches, so that a
//! write wakes nobody but the readers of its own database.

use crate::engine::DatabaseName;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// The databases that are watched.
#[derive(Default)]
pub(crate) struct Feeds {
    watched: Mutex<HashMap<DatabaseName, watch::Sender<u64>>>,
}

impl Feeds {
    /// A wake-up for each later commit that changes the database, which need not exist yet.
    pub(crate) fn watch(&self, database: &DatabaseName, last_commit: u64) -> watch::Receiver<u64> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, sender| sender.receiver_count() > 0);
        let sender = watched.entry(database.clone()).or_insert_with(|| watch::Sender::new(last_commit));
        sender.subscribe()
    }

    /// Wakes the readers of these databases.
    pub(crate) fn wake<'a>(&self, databases: impl Iterator<Item = &'a DatabaseName>, commit: u64) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for sender in databases.filter_map(|database| watched.get(database)) {
            sender.send_replace(commit);
        }
    }
}
