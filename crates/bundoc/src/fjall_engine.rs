//! The engine over fjall: the handles of an open store, the way to its committer, and how it is closed.

mod contract;
mod open;
mod sight;

use crate::check::{self, CheckReport};
use crate::committer::{Committer, Ending, Request, Shared};
use crate::engine::{Actor, CollectionName, DatabaseName};
use crate::error::EngineError;
use crate::find::{Seen, look};
use crate::home::Home;
use crate::requests::Requests;
use crate::rules::Method;
#[cfg(test)]
use crate::store::Store;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Documents in fjall, with one committer thread.
pub struct FjallEngine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Requests,
    threads: Mutex<Vec<JoinHandle<()>>>,
    epoch: String,
    _home: Home,
}

impl FjallEngine {
    /// Looks whether the store agrees with itself; writes go on meanwhile. Reads everything, so it takes long
    /// where much is stored.
    ///
    /// # Errors
    /// `Damaged` or `Storage` where something could not be read at all.
    pub fn check(&self) -> Result<CheckReport, EngineError> {
        self.check_open()?;
        check::check(&self.shared.store)
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    fn check_open(&self) -> Result<(), EngineError> {
        self.requests.check_open()
    }

    /// Has the committer do something by itself, between groups.
    async fn define<T: Send + 'static>(
        &self,
        define: impl FnOnce(&mut Committer) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::Define(Box::new(move |committer| {
            let _ = answer.send(define(committer));
        })))?;
        receiver.await.unwrap_or(Err(EngineError::Closed))
    }

    /// A collection that the actor may list, or `None` where a trusted actor asks for one that is missing.
    fn listed(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        actor: &Actor,
    ) -> Result<Option<Seen<'_>>, EngineError> {
        self.check_open()?;
        let denied = || Err(EngineError::Denied { collection: collection.to_string() });
        match (look(&self.shared.store, &self.shared.catalog, database, collection), actor) {
            (Some(seen), _) if !seen.collection.rules.covers(actor, Method::List) => denied(),
            // A ruled actor learns nothing from what is missing.
            (None, Actor::Ruled(_)) => denied(),
            (seen, _) => Ok(seen),
        }
    }

    fn stop(&self, ending: Ending) {
        if !self.requests.close(Request::Stop(ending)) {
            return;
        }
        self.shared.store.statistics().close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the document store panicked");
            }
        }
    }
}

impl Drop for FjallEngine {
    fn drop(&mut self) {
        self.stop(Ending::Now);
    }
}
